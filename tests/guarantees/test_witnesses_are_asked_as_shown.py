"""Promise: what the page about witnesses says is typed does what it says, by both sides."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/witness.md").read_text()
BLOCKS = re.findall(r"^```(bash|sh)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

SHOWN_URL = "https://witness.example/ada"
SHOWN_VKEY = "witness.example/ada+1234abcd+BAbCd..."


def test_the_commands_of_the_page_run_in_the_order_of_the_page(
    tmp_path: pathlib.Path, request: pytest.FixtureRequest
) -> None:
    project, tools, ada = tmp_path / "project", tmp_path / "tools", tmp_path / "ada"
    for folder in (project, tools, ada):
        folder.mkdir()
    (tools / "whence").write_text(f'#!/bin/sh\nexec {sys.executable} -m whence "$@"\n')
    (tools / "whence").chmod(0o755)
    environment = os.environ | {
        "HOME": str(tmp_path),
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "WHENCE_KEYS": str(tmp_path / "keys"),
    }

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, command + done.stdout + done.stderr
        return done.stdout

    code = "import whence as wh\nwith wh.start_run() as run:\n    run.log_metric('loss', 0.5)\n"
    run(f'{sys.executable} -c "{code}"')
    said: list[str] = []
    server: subprocess.Popen[str] | None = None
    url, vkey = SHOWN_URL, SHOWN_VKEY
    for _, shown in BLOCKS:
        command = shown.replace(SHOWN_VKEY, vkey).replace(SHOWN_URL, url)
        if "witness serve" not in command:
            said.append(run(command))
            continue
        server = subprocess.Popen(
            ["bash", "-euc", f"exec {command.strip()} --port 0 --json"],
            cwd=project, env=environment | {"WHENCE_KEYS": str(ada)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert server.stdout is not None
        listening = json.loads(server.stdout.readline())
        assert listening["name"] == "witness.example/ada"
        url, vkey = listening["url"], listening["vkey"]
        request.addfinalizer(server.kill)
    assert server is not None
    server.send_signal(signal.SIGTERM)
    server.communicate()
    assert server.returncode == 0
    assert "✓ ada  cosigned" in said[2]
    assert "The record holds: intact." in said[3]
    assert "✓ bob  cosigned" in said[-1]
