"""What the page on PyTorch shows is what happens; it runs here, where PyTorch is."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- end of block"

pytest.importorskip("torch", reason="run by `make test-neighbours`")


def test_each_block_prints_what_stands_below_it(tmp_path: pathlib.Path) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "how-to" / "torch.md").read_text())
    shutil.copy(ROOT / "tests" / "data" / "seed_tasks.jsonl", tmp_path)
    code = "".join(f"{text}\nprint({END!r})\n" for kind, text in blocks if kind == "python")
    (tmp_path / "page.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = [
        following[1] if following[0] == "text" else ""
        for (kind, _), following in zip(blocks, [*blocks[1:], ("", "")], strict=True)
        if kind == "python"
    ]
    assert len(shown) == 5
    assert done.stdout.split(END + "\n")[:-1] == shown
