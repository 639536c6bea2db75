"""A run that was recorded with one Pillow and is replayed with another: the replay names it."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

HOME = pathlib.Path(__file__).parents[3] / ".venv" / "bin" / "python"
"""The environment that everything but the neighbours' tests runs in; it has another Pillow."""

pytestmark = pytest.mark.skipif(
    not HOME.exists() or pathlib.Path(sys.prefix) == HOME.parents[1], reason="run by `make test-neighbours`"
)

SCRIPT = """
import sys
import numpy as np
import whence as wh
from PIL import Image

def decode(file):
    return np.asarray(Image.open(file.path).convert("RGB"))

def turned(image, rng):
    return np.asarray(Image.fromarray(image).rotate(rng.uniform(-20, 20), Image.Resampling.BICUBIC))

if __name__ == "__main__":
    if sys.argv[1] == "draw":
        waves = np.add.outer(np.arange(48) * 7 % 256, np.arange(64) * 5 % 256)[..., None] + [0, 60, 120]
        for number in range(4):
            Image.fromarray((waves + 9 * number).astype(np.uint8)).save(f"{number}.jpg", quality=80)
    else:
        with wh.start_run(workspace="record") as run:
            list(wh.from_files("*.jpg", name="images").map(decode).map(turned))
        print(run.name)
"""


def ran(python: str, folder: pathlib.Path, *arguments: str) -> str:
    done = subprocess.run(
        [python, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def pillow_of(python: str) -> str:
    return ran(python, pathlib.Path.cwd(), "-c", "import PIL; print(PIL.__version__)").strip()


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "script.py").write_text(SCRIPT)
    ran(sys.executable, tmp_path, "script.py", "draw")
    return tmp_path


@pytest.mark.parametrize(("before", "now"), [(str(HOME), sys.executable), (sys.executable, str(HOME))])
def test_the_other_pillow_is_named_with_both_versions(folder: pathlib.Path, before: str, now: str) -> None:
    assert pillow_of(before) != pillow_of(now)
    run = ran(before, folder, "script.py", "record").strip()
    for number in range(4):
        told = ran(
            now, folder, "-m", "whence", "replay", f"{run}@0:{number}", "--workspace", "record", "--json"
        )
        found = json.loads(told)
        packages = [each["what"] for each in found["differences"] if each["cause"] == "package"]
        assert f"pillow was {pillow_of(before)}, is {pillow_of(now)}" in packages
        assert any(
            each["cause"] == "library" and "libjpeg_turbo of pillow was" in each["what"]
            for each in found["differences"]
        )
    text = ran(
        now, folder, "-m", "whence", "replay", run, "--sample", "4", "--verify", "--workspace", "record"
    )
    assert "pillow was" in text


def test_the_same_pillow_is_not_named(folder: pathlib.Path) -> None:
    run = ran(sys.executable, folder, "script.py", "record").strip()
    told = ran(
        sys.executable, folder, "-m", "whence", "replay", f"{run}@0:2", "--workspace", "record", "--json"
    )
    found = json.loads(told)
    assert (found["equal"], found["differences"]) == (True, [])
