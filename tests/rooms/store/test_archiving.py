"""A backup is a moment of a workspace that goes on, and what is restored is that or nothing."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile

import pytest

import whence as wh
from whence.store import Folder, back_up, files, restore_archive

SOURCE = pathlib.Path(files.__file__).parents[2]
NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def record(place: pathlib.Path, title: str = "first") -> str:
    stream = wh.from_items(list(range(40)), name="items").filter(lambda x: x % 3 != 0, reason="x").batch(4)
    with wh.start_run(title, workspace=place) as run:
        for number, _ in enumerate(stream):
            run.log_metric("n", number)
        run.log_model("m", os.urandom(200_000))
    return run.id


_OWN = re.compile(r"catalog|ledger/(own|lock|staging/|.*\.p/)")
"""What never goes from one workspace to another, and tiles that others replace."""


def content(place: pathlib.Path) -> dict[str, bytes]:
    root = Folder.find(place).path
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not _OWN.match(path.relative_to(root).as_posix())
    }


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".tar.xz"])
def test_what_is_restored_is_what_was_backed_up(tmp_path: pathlib.Path, suffix: str) -> None:
    record(tmp_path / "here")
    path = tmp_path / f"backup{suffix}"
    done = back_up(Folder.find(tmp_path / "here"), path, now=NOW)
    again = restore_archive(path, tmp_path / "there" / ".whence")
    assert (again.run_count, again.file_count, again.content_bytes) == (
        done.run_count, done.file_count, done.content_bytes,
    )  # fmt: skip
    assert again.made_at == NOW.isoformat()
    assert content(tmp_path / "there") == content(tmp_path / "here")
    assert wh.open(tmp_path / "there").summaries() == wh.open(tmp_path / "here").summaries()
    assert wh.open(tmp_path / "there").verify().holds
    with tarfile.open(path) as tar:  # readable by others' tools
        assert tar.getnames()[-1] == "manifest.json"


WRITES = """
import sys, os
import whence as wh
with wh.start_run("goes on", workspace=sys.argv[1]) as run:
    print(run.id, flush=True)
    for number in range(10 ** 9):
        run.log_note(f"note {number}")
        run.log_metric("n", number)
        if number % 50 == 0:
            run.log_model("m", os.urandom(70_000))
            for _ in wh.from_items(list(range(50))).filter(lambda x: x % 2).batch(5).epoch(number):
                pass
"""


def test_a_workspace_is_backed_up_while_runs_go_on_and_can_be_gone_on_with(tmp_path: pathlib.Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    record(here)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITES, str(here)], encoding="utf-8",
            stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(SOURCE)},
        )
        for _ in range(2)
    ]  # fmt: skip
    ids = []
    for process in writers:
        assert process.stdout is not None
        ids.append(process.stdout.readline().strip())
    made = [back_up(Folder.find(here), tmp_path / f"{number}.tar", now=NOW) for number in range(5)]
    for process in writers:
        process.kill()
        process.communicate()
    for number, done in enumerate(made):
        assert done.damaged == []
        place = there / str(number)
        restore_archive(done.path, place / ".whence")
        problems = [each.problem for each in wh.open(place).verify().findings]
        assert bool(problems) == bool(number), "the first one went on, and its log with it"
        assert all("rolled back" in each for each in problems)
        for run_id in ids:
            run = wh.open(place).run(run_id)
            assert run.status == "lost"
            count = len(run.notes)
            assert run.notes == [f"note {each}" for each in range(count)]
            if count:
                points = run.history("n").value.tolist()
                assert points == list(map(float, range(len(points))))
                assert len(points) >= count - 1
            with wh.start_run(resume=run_id, workspace=place) as again:
                again.log_note("again")
            assert wh.open(place).run(run_id).notes[-1] == "again"
        verdict = wh.open(place).verify()
        assert verdict.holds, verdict.findings
        assert any("rolled back" in note for note in verdict.notes) == bool(number)


def test_a_restored_run_that_goes_on_elsewhere_is_not_taken_for_it(tmp_path: pathlib.Path) -> None:
    with wh.start_run("goes on", workspace=tmp_path / "here") as run:
        done = back_up(Folder.find(tmp_path / "here"), tmp_path / "b.tar", now=NOW)
        restore_archive(done.path, tmp_path / "there" / ".whence")
        assert wh.open(tmp_path / "there").run(run.id).status == "unknown"


def test_a_place_that_is_taken_is_refused_or_put_aside(tmp_path: pathlib.Path) -> None:
    record(tmp_path / "here")
    back_up(Folder.find(tmp_path / "here"), tmp_path / "b.tar.gz", now=NOW)
    record(tmp_path / "there", "another")
    before = content(tmp_path / "there")
    with pytest.raises(wh.errors.InputError, match="not empty"):
        restore_archive(tmp_path / "b.tar.gz", tmp_path / "there" / ".whence")
    assert content(tmp_path / "there") == before
    done = restore_archive(tmp_path / "b.tar.gz", tmp_path / "there" / ".whence", replace=True)
    assert content(tmp_path / "there") == content(tmp_path / "here")
    assert done.replaced is not None
    assert content(done.replaced) == before


def test_no_byte_of_a_backup_can_be_changed_unnoticed(tmp_path: pathlib.Path) -> None:
    record(tmp_path / "here")
    for suffix, step in ((".tar", 4_999), (".tar.gz", 7_919)):
        path = tmp_path / f"b{suffix}"
        back_up(Folder.find(tmp_path / "here"), path, now=NOW)
        sound = path.read_bytes()
        changed = tmp_path / f"changed{suffix}"
        for at in range(0, len(sound), step):
            changed.write_bytes(sound[:at] + bytes([sound[at] ^ 0x10]) + sound[at + 1 :])
            try:
                restore_archive(changed, tmp_path / "there" / ".whence")
            except (wh.errors.DamagedError, wh.errors.InputError):
                assert not (tmp_path / "there" / ".whence").exists()
            else:  # a byte that fills up a block, or a time in a header
                assert content(tmp_path / "there") == content(tmp_path / "here")
                (tmp_path / "there" / ".whence").rename(tmp_path / f"same-{suffix}-{at}")
        for size in range(0, len(sound) - 30_000, len(sound) // 7):
            changed.write_bytes(sound[:size])
            with pytest.raises((wh.errors.DamagedError, wh.errors.InputError)):
                restore_archive(changed, tmp_path / "there" / ".whence")
        assert not (tmp_path / "there" / ".whence").exists()
        assert [each.name for each in tmp_path.glob("there/.*")] == []


@pytest.mark.parametrize(
    "name",
    ["../outside", "workspace/../../outside", "/outside", "workspace/./x/../y", "workspace", "other/x"],
)
def test_a_file_that_would_leave_the_place_is_refused(tmp_path: pathlib.Path, name: str) -> None:
    _write_tar(tmp_path / "b.tar", {name: b"x"})
    with pytest.raises(wh.errors.InputError, match="no backup has"):
        restore_archive(tmp_path / "b.tar", tmp_path / "there" / ".whence")
    assert not (tmp_path / "outside").exists()


def test_links_foreign_files_and_newer_backups_are_refused(tmp_path: pathlib.Path) -> None:
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        entry = tarfile.TarInfo("workspace/link")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(entry)
    _write_tar(tmp_path / "newer.tar", {"manifest.json": json.dumps({"whence": 99}).encode()})
    _write_tar(tmp_path / "odd.tar", {"manifest.json": b'{"whence":1}'})
    _write_tar(tmp_path / "more.tar", {"workspace/x": b"", "manifest.json": b'{"whence":1,"files":{}}'})
    (tmp_path / "text.tar").write_text("no tar file")
    (tmp_path / "empty.tar").touch()
    kinds = {
        "link": wh.errors.InputError, "newer": wh.errors.StoreVersionError, "odd": wh.errors.DamagedError,
        "more": wh.errors.DamagedError, "text": wh.errors.DamagedError, "empty": wh.errors.DamagedError,
        "none": wh.errors.NotFoundError,
    }  # fmt: skip
    for name, kind in kinds.items():
        with pytest.raises(kind):
            restore_archive(tmp_path / f"{name}.tar", tmp_path / "there" / ".whence")
    with pytest.raises(wh.errors.InputError, match="tar file"):
        back_up(Folder.find(tmp_path), tmp_path / "b.zip", now=NOW)
    with pytest.raises(wh.errors.NotFoundError):
        back_up(Folder.find(tmp_path / "nothing"), tmp_path / "b.tar", now=NOW)


def _write_tar(path: pathlib.Path, contents: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


@pytest.mark.parametrize("what", ["back up", "restore", "replace"])
def test_killed_at_any_moment_it_leaves_what_was_there_or_all_of_it(
    tmp_path: pathlib.Path, what: str
) -> None:
    record(tmp_path / "here")
    record(tmp_path / "old", "another")
    path = tmp_path / "b.tar.gz"
    whole = {"here": content(tmp_path / "here"), "old": content(tmp_path / "old")}
    back_up(Folder.find(tmp_path / "old"), path, now=NOW)
    before = path.read_bytes()
    finished = False
    for step in range(0, 200, 7):
        target = tmp_path / f"there-{step}" / ".whence"
        if what == "replace":
            restore_archive(path, target)
        child = os.fork()
        if child == 0:
            die_after(step)
            if what == "back up":
                back_up(Folder.find(tmp_path / "here"), path, now=NOW)
            else:
                restore_archive(path, target, replace=what == "replace")
            os._exit(9)
        finished = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        if what == "back up":
            restore_archive(path, target)
            assert content(target) in (whole["old"], whole["here"])
            path.write_bytes(before)
        elif target.exists():
            assert content(target) == whole["old"]
        elif what == "replace":
            (aside,) = target.parent.glob(".whence.before-*")
            assert content(aside) == whole["old"]
    assert finished


def die_after(count: int) -> None:
    """Kill this process at its n-th operation that changes a file."""
    seen = 0

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        is_written = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
        if event in ("os.rename", "os.remove", "os.mkdir") or is_written:
            seen += 1
            if seen > count:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
