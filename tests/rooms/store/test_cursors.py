"""Cursors: in the kernel's hands as soon as they are raised, whatever happens to the process."""

from __future__ import annotations

import os
import pathlib
import signal
import struct
import subprocess
import sys

import pytest

from whence.errors import StoreFullError
from whence.store import files
from whence.store.cursors import Cursors, read_cursors

PAGE = 256  # cursors on a page of 4 KiB


def test_cursors_are_two_little_endian_counters_each(tmp_path: pathlib.Path) -> None:
    cursors = Cursors(tmp_path / "cursors")
    for number in (0, 3, PAGE, PAGE + 1):
        view, slot = cursors.slots(number)
        view[slot], view[slot + 1] = number + 10, number + 9
    cursors.close()
    data = (tmp_path / "cursors").read_bytes()
    assert struct.unpack_from("<QQ", data, 3 * 16) == (13, 12)
    found = read_cursors(tmp_path / "cursors")
    assert found[0] == (10, 9)
    assert found[1] == (0, 0)
    assert found[PAGE + 1] == (PAGE + 11, PAGE + 10)


def test_a_run_without_passes_has_no_cursors(tmp_path: pathlib.Path) -> None:
    Cursors(tmp_path / "cursors").close()
    assert read_cursors(tmp_path / "cursors") == []


def test_a_file_cut_off_gives_the_whole_cursors(tmp_path: pathlib.Path) -> None:
    (tmp_path / "cursors").write_bytes(struct.pack("<QQQ", 5, 4, 9))
    assert read_cursors(tmp_path / "cursors") == [(5, 4)]


def test_counters_survive_the_sudden_death_of_the_process(tmp_path: pathlib.Path) -> None:
    code = f"""
import os, pathlib, signal
from whence.store.cursors import Cursors
view, slot = Cursors(pathlib.Path({str(tmp_path / "cursors")!r})).slots(2)
for count in range(1, 1001):
    view[slot] = count
    if count == 1000:
        os.kill(os.getpid(), signal.SIGKILL)
    view[slot + 1] = count
"""
    done = subprocess.run([sys.executable, "-c", code], env=_environment(), check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert read_cursors(tmp_path / "cursors")[2] == (1000, 999)


def _environment() -> dict[str, str]:
    source = pathlib.Path(files.__file__).parents[2]
    return os.environ | {"PYTHONPATH": str(source)}


def test_no_room_for_a_page_is_told_before_any_counter_is_raised(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    cursors = Cursors(tmp_path / "cursors")
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreFullError):
        cursors.slots(0)
    monkeypatch.undo()
    view, slot = cursors.slots(0)
    view[slot] = 5
    cursors.close()
    assert read_cursors(tmp_path / "cursors")[0] == (5, 0)
