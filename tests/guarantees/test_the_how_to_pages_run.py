"""Promise: what the how-to pages show is what happens."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- end of block"


@pytest.mark.parametrize(
    ("page", "data", "count"),
    [
        ("tables.md", "penguins.csv", 6),
        ("workers.md", "seed_tasks.jsonl", 3),
        ("resume.md", "seed_tasks.jsonl", 5),
        ("autolog.md", "penguins.csv", 7),
        ("merge.md", "penguins.csv", 5),
        ("keep.md", "penguins.csv", 5),
        ("compare.md", "penguins.csv", 2),
        ("models.md", "penguins.csv", 5),
        ("datasets.md", "penguins.csv", 9),
        ("files.md", "penguins.csv", 4),
        ("metrics.md", "penguins.csv", 2),
        ("prove.md", "penguins.csv", 5),
        ("verify.md", "penguins.csv", 7),
        ("keys.md", "penguins.csv", 1),
    ],
)
def test_each_block_prints_what_stands_below_it(
    tmp_path: pathlib.Path, page: str, data: str, count: int
) -> None:
    blocks = BLOCK.findall((PAGES / page).read_text())
    shutil.copy(ROOT / "tests" / "data" / data, tmp_path)
    code = "".join(f"{text}\nprint({END!r})\n" for kind, text in blocks if kind == "python")
    (tmp_path / "page.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src"), "WHENCE_KEYS": os.environ["WHENCE_KEYS"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = [
        following[1] if following[0] == "text" else ""
        for (kind, _), following in zip(blocks, [*blocks[1:], ("", "")], strict=True)
        if kind == "python"
    ]
    assert len(shown) == count
    assert done.stdout.split(END + "\n")[:-1] == shown
