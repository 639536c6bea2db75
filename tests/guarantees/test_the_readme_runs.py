"""The README's example runs as it stands there and prints what it says."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    """The first block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_example_prints_what_the_readme_says(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "readme.py"  # a replay looks for functions in their file
    script.write_text(block("python"))
    environment = os.environ | {"WHENCE_HOME": str(tmp_path / "record"), "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == block("text")


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []
