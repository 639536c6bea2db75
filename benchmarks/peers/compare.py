"""The peers beside whence: makes an environment for each, once, and prints the table.

    python benchmarks/peers/compare.py [--folder .peers] [--rows 100000] [--rounds 5] [PEER ...]

A peer that can't be installed here is named with the reason and left out. mlinspect's release wants
Python 3.8 and is measured only where that is found; its operators are compared through pandas.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent

PEERS: dict[str, list[str]] = {
    "generators": [],
    "torch": ["torch==2.13.0"],
    "datasets": ["datasets"],
    "ray": ["ray[data]"],
    "grain": ["grain"],
    "webdataset": ["webdataset"],
    "datachain": ["datachain"],
    "beam": ["apache-beam"],
    "datajuicer": ["py-data-juicer", "aiohttp"],
}
MLINSPECT = [
    "pandas==1.1.4", "numpy==1.19.5", "scikit-learn==0.23.2", "astunparse", "astpretty==2.0.0",
    "astmonkey==0.3.6", "networkx==2.5", "more-itertools", "testfixtures", "nbformat", "ipython==7.19.0",
    "jedi==0.17.2", "matplotlib==3.3.2", "entrypoints", "jinja2==2.11.3", "markupsafe==1.1.1",
    "mistune==0.8.4", "jupyterlab_pygments", "pandocfilters", "testpath", "defusedxml", "bleach", "nbclient",
    "pygments",
]  # fmt: skip
# it imports TensorFlow for operators that aren't measured; an empty class stands for it
STAND_IN = "tensorflow/python/keras/wrappers/scikit_learn.py"


def installed(python: str, folder: pathlib.Path, wanted: list[str], *more: list[str]) -> str:
    """Make an environment, once; returns what went wrong, or nothing."""
    stamp = folder / "installed"
    if stamp.exists():
        return ""
    shutil.rmtree(folder, ignore_errors=True)
    steps = [[python, "-m", "venv", str(folder)]]
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps += [[*pip, *each] for each in (wanted, *more) if each]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            return lines[-1][:200] if lines else done.stderr.strip()[-200:]
    stamp.touch()
    return ""


def measured(folder: pathlib.Path, script: str, arguments: list[str]) -> dict[str, Any] | str:
    """Run a script in an environment; returns what it measured, or what went wrong."""
    command = [str(folder / "bin" / "python"), str(HERE / script), *arguments]
    quiet = os.environ | {"RAY_DEDUP_LOGS": "1", "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:200]
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def compare_records(options: argparse.Namespace) -> None:
    """The job over records, peer by peer."""
    print("| peer | µs a record | whence, µs | peer / whence | spread |\n|---|---|---|---|---|")
    for peer in options.peers or PEERS:
        if peer not in PEERS:
            continue
        folder = options.folder / peer
        problem = installed(sys.executable, folder, ["--editable", str(ROOT), *PEERS[peer]])
        arguments = [peer, "--rows", str(options.rows), "--rounds", str(options.rounds)]
        found = problem or measured(folder, "jobs.py", arguments)
        if isinstance(found, str):
            print(f"| {peer} | not measured: {found} | | | |", flush=True)
            continue
        told = [f"{found[key]:.2f}" for key in ("peer_us", "whence_us", "ratio")]
        told.append(f"{found['lowest']:.2f} to {found['highest']:.2f}")
        print(f"| {peer} | {' | '.join(told)} |", flush=True)


def compare_mlinspect(options: argparse.Namespace) -> None:
    """Row lineage of mlinspect, operator by operator."""
    python = os.environ.get("PYTHON38") or shutil.which("python3.8")
    if python is None:
        print("\nmlinspect: not measured, its release wants Python 3.8; name one with PYTHON38=...")
        return
    folder = options.folder / "mlinspect"
    problem = installed(python, folder, MLINSPECT, ["--no-deps", "mlinspect", "nbconvert==6.0.7"])
    if not problem:
        packages = next((folder / "lib").glob("python3*/site-packages"))
        stand_in = packages / STAND_IN
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        for each in [*stand_in.parents][:4]:
            (each / "__init__.py").touch() if each != packages else None
        stand_in.write_text("class BaseWrapper: pass\n\n\nclass KerasClassifier: pass\n")
    found = problem or measured(
        folder, "tables_mlinspect.py", ["--rows", str(options.rows), "--rounds", str(options.rounds)]
    )
    if isinstance(found, str):
        print(f"\nmlinspect: not measured: {found}")
        return
    print(f"\n| mlinspect's row lineage | µs a row | of its pandas {found['pandas']} |\n|---|---|---|")
    for name, each in found["steps"].items():
        micros = (each["lineage"] - each["plain"]) / found["rows"] * 1e6
        print(f"| {name} | {micros:.2f} | {each['lineage'] / each['plain']:.0f} times |")


def main() -> None:
    """Measure all peers, or those named."""
    parser = argparse.ArgumentParser(description="the peers beside whence")
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"one of {', '.join(PEERS)}, mlinspect")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / ".peers")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    compare_records(options)
    if not options.peers or "mlinspect" in options.peers:
        compare_mlinspect(options)


if __name__ == "__main__":
    main()
