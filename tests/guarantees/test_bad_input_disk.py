"""Bad input, the disk: full or read-only, it is said with place and remedy, and nothing is begun on it.

What becomes of a run that has begun is in `test_the_record_survives_a_full_disk`.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

import whence as wh
from tests.earlier import Earlier, run_python
from whence.errors import StoreFullError, StoreReadOnlyError

DISK_KIB = 600


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_KIB}k", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a disk of its own can't be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(disk: pathlib.Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def fill(disk: pathlib.Path) -> pathlib.Path:
    """Fill a disk to the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def test_a_run_begun_on_a_full_disk_is_refused_and_leaves_nothing(disk: pathlib.Path) -> None:
    earlier = Earlier(disk)
    ballast = fill(disk)
    error = earlier.refuses(StoreFullError, lambda: wh.start_run("later", workspace=disk), disk)
    assert "space" in error.remedy
    ballast.unlink()
    assert [run.title for run in wh.open(disk).runs()] == ["earlier"]
    assert len(list((disk / ".whence" / "runs").iterdir())) == 1
    with wh.start_run("later", workspace=disk):
        pass
    assert wh.open(disk).verify().holds


def test_a_workspace_on_a_full_disk_answers(disk: pathlib.Path) -> None:
    earlier = Earlier(disk)
    (disk / ".whence" / "catalog.sqlite").unlink(missing_ok=True)
    fill(disk)
    earlier.check()
    assert wh.open(disk).summaries()[0]["title"] == "earlier"


def test_a_read_only_disk_is_named_and_its_records_answer(disk: pathlib.Path) -> None:
    earlier = Earlier(disk)
    (disk / ".whence" / "catalog.sqlite").unlink(missing_ok=True)
    remount(disk, "ro")
    error = earlier.refuses(StoreReadOnlyError, lambda: wh.start_run("later", workspace=disk), disk)
    assert "writable" in error.remedy
    assert error.exit_code == 4
    assert wh.open(disk).summaries()[0]["title"] == "earlier"
    remount(disk, "rw")
    with wh.start_run("later", workspace=disk):
        pass
    remount(disk, "ro")
    # an index that is behind and can't be written is made anew in memory
    assert [row["title"] for row in wh.open(disk).summaries()] == ["later", "earlier"]


def test_a_place_that_never_held_a_workspace_and_is_read_only_is_named(disk: pathlib.Path) -> None:
    remount(disk, "ro")
    with pytest.raises(StoreReadOnlyError) as caught:
        wh.start_run("first", workspace=disk)
    assert str(disk) in caught.value.message
    assert wh.open(disk).summaries() == []


FORBIDDEN = """
import os, sys
import whence as wh
from whence.errors import WhenceError
with wh.start_run("warm", workspace=sys.argv[2]) as run:  # everything is loaded while it may be
    wh.from_items([1, 2]).map(abs).batch(2).collect()
wh.open(sys.argv[2]).summaries()
os.setgid(65534)
os.setuid(65534)
try:
    print([row["title"] for row in wh.open(sys.argv[1]).summaries()])
    wh.start_run("later", workspace=sys.argv[1])
except WhenceError as error:
    print(type(error).__name__, "|", error.message, "|", error.remedy)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(
    ("mode", "titles", "kind"), [(0o755, "['earlier']", "StoreReadOnlyError"), (0o700, None, "StoreError")]
)
def test_a_folder_of_somebody_else_is_named(
    open_to_all: pathlib.Path, tmp_path: pathlib.Path, mode: int, titles: str | None, kind: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else, and root itself may write everywhere")
    folder = open_to_all
    earlier = Earlier(folder)
    (folder / ".whence").chmod(mode)
    done = run_python(FORBIDDEN, folder, tmp_path)
    assert done.returncode == 4, done.stderr
    *asked, said = done.stdout.splitlines()
    assert asked == ([] if titles is None else [titles])
    named, message, remedy = said.split(" | ")
    assert named == kind
    assert str(folder / ".whence") in message
    assert remedy
    (folder / ".whence").chmod(0o755)
    earlier.check()


def test_a_folder_to_which_no_way_leads_is_named(open_to_all: pathlib.Path, tmp_path: pathlib.Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else, and root itself may go everywhere")
    Earlier(open_to_all)
    open_to_all.chmod(0o700)
    done = run_python(FORBIDDEN, open_to_all, tmp_path)
    assert done.returncode == 4, done.stderr
    named, message, remedy = done.stdout.split(" | ")
    assert named == "StoreError"
    assert str(open_to_all) in message
    assert remedy.strip()
