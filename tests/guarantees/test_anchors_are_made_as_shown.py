"""Promise: what the page about anchors says is typed does what it says, where no server outside is asked."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

from whence.trust import KINDS, read_trust

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/anchor.md").read_text()
COMMANDS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_file_of_whom_to_believe_names_every_kind_as_it_is_read(tmp_path: pathlib.Path) -> None:
    (shown,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "trust.toml").write_text(shown)
    assert read_trust(tmp_path / "trust.toml").keys() == KINDS.keys()


def run(command: str, folder: pathlib.Path, **variables: str) -> str:
    """Type a command, as a user in a shell does."""
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env=os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_of_the_page_run_in_the_order_of_the_page(tmp_path: pathlib.Path) -> None:
    project, tools = tmp_path / "project", tmp_path / "tools"
    project.mkdir()
    tools.mkdir()
    (tools / "whence").write_text(f'#!/bin/sh\nexec {sys.executable} -m whence "$@"\n')
    (tools / "whence").chmod(0o755)
    run(
        "git init -q --bare ../mirror.git && git init -q . && git config user.name Ada &&"
        " git config user.email ada@example.org && git commit -q --allow-empty -m first &&"
        " git remote add origin ../mirror.git",
        project,
    )
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    code = "import whence as wh\nwith wh.start_run() as run:\n    run.log_metric('loss', 0.5)\n"
    run(f'{sys.executable} -c "{code}"', project, **environment)
    said = [run(command, project, **environment) for command in COMMANDS]
    assert len(said) == 5
    assert "attested, git" in said[0]
    assert "was attested on" in said[1]
    assert "refs/heads/whence-anchors" in run("git for-each-ref", tmp_path / "mirror.git")
    assert "holds, not by one you trust" in said[2]
    assert "The record holds: intact." in said[3]
    (exported,) = (project / "evidence").iterdir()
    assert sorted(path.name for path in exported.iterdir()) == ["checkpoint", "checkpoint.commit"]
