"""Writes that fail: said at once, with place and remedy, and the file ends as before."""

from __future__ import annotations

import errno
import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from whence.errors import StoreError, StoreFullError, StoreReadOnlyError
from whence.store import Folder, RunWriter, read_journal, scan_frames, write_whole
from whence.store.frames import FrameWriter

real_write = os.write


def failing_after(count: int, number: int) -> Callable[[int, Any], int]:
    """A disk that takes so many bytes and then fails."""
    left = [count]

    def write(descriptor: int, data: Any) -> int:
        if left[0] <= 0:
            raise OSError(number, os.strerror(number))
        taken = real_write(descriptor, bytes(data)[: left[0]])
        left[0] -= taken
        return taken

    return write


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("count", [0, 1, 47, 48, 60, 99])
def test_a_frame_that_does_not_fit_leaves_no_half_of_itself(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, number: int, count: int
) -> None:
    writer = FrameWriter(tmp_path / "f", purpose="test")
    writer.append(1, b"before")
    size = (tmp_path / "f").stat().st_size
    monkeypatch.setattr(os, "write", failing_after(count, number))
    with pytest.raises(StoreFullError) as caught:
        writer.append(1, bytes(52))
    monkeypatch.undo()
    assert str(tmp_path / "f") in caught.value.message
    assert "WHENCE_HOME" in caught.value.remedy
    assert (tmp_path / "f").stat().st_size == size
    writer.append(1, b"after, when there is space again")
    scan = scan_frames(tmp_path / "f")
    assert [frame.payload for frame in scan.frames] == [b"before", b"after, when there is space again"]
    assert scan.damages == []


def test_short_writes_are_gone_on_with(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda descriptor, data: real_write(descriptor, bytes(data)[:3]))
    writer = FrameWriter(tmp_path / "f", purpose="test")
    writer.append(7, b"a payload of some length")
    scan = scan_frames(tmp_path / "f")
    assert [frame.payload for frame in scan.frames] == [b"a payload of some length"]
    assert scan.damages == []


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_disk_that_became_read_only_is_named_as_such(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    writer = FrameWriter(tmp_path / "f", purpose="test")
    monkeypatch.setattr(os, "write", failing_after(0, number))
    with pytest.raises(StoreReadOnlyError, match="can't be written"):
        writer.append(1, b"x")


def fails(*ignored: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_what_a_sync_refused_is_written_again_before_it_is_believed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel drops what it couldn't write, and a second fsync says that all is well."""
    writer = FrameWriter(tmp_path / "f", purpose="test")
    writer.append(1, b"on the disk")
    writer.sync()
    begin = writer.size
    writer.append(1, b"refused")
    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(StoreError, match="Input/output"):
        writer.sync()
    writer.append(1, b"later")
    monkeypatch.undo()
    written: list[tuple[bytes, int]] = []
    real_pwrite = os.pwrite

    def pwrite(descriptor: int, data: bytes, place: int) -> int:
        written.append((data, place))
        return real_pwrite(descriptor, data, place)

    monkeypatch.setattr(os, "pwrite", pwrite)
    writer.sync()
    assert written == [((tmp_path / "f").read_bytes()[begin:], begin)]
    assert (writer.file.synced, writer.file.size) == (writer.size, writer.size)
    writer.append(1, b"last")
    writer.sync()
    assert len(written) == 1
    scan = scan_frames(tmp_path / "f")
    assert [frame.payload for frame in scan.frames] == [b"on the disk", b"refused", b"later", b"last"]


def test_what_a_sync_refused_and_is_not_there_any_more_is_never_believed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = FrameWriter(tmp_path / "f", purpose="test")
    writer.append(1, b"refused")
    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(StoreError, match="Input/output"):
        writer.sync()
    monkeypatch.undo()
    with (tmp_path / "f").open("r+b") as file:  # as if the kernel had let go of it, and read the disk again
        file.seek(-4, os.SEEK_END)
        file.write(bytes(4))
    for _ in range(2):
        with pytest.raises(StoreError, match="can't be read back"):
            writer.sync()
    assert writer.file.synced == 0


def test_half_a_frame_that_could_not_be_taken_away_is_before_the_next_one(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = FrameWriter(tmp_path / "f", purpose="test")
    writer.append(1, b"before")
    monkeypatch.setattr(os, "write", failing_after(20, errno.ENOSPC))
    monkeypatch.setattr(os, "ftruncate", fails)
    with pytest.raises(StoreFullError):
        writer.append(1, b"half of this is on the disk")
    scan = scan_frames(tmp_path / "f")
    assert [frame.payload for frame in scan.frames] == [b"before"]
    assert (scan.damages, scan.torn_bytes) == ([], 20)
    monkeypatch.setattr(os, "write", real_write)
    with pytest.raises(StoreError, match="Input/output"):
        writer.append(1, b"it must not stand behind the half")
    monkeypatch.undo()
    writer.append(1, b"after")
    scan = scan_frames(tmp_path / "f")
    assert [frame.payload for frame in scan.frames] == [b"before", b"after"]
    assert (scan.damages, scan.torn_bytes) == ([], 0)


def test_a_run_that_can_not_be_begun_leaves_nothing_behind(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    folder.make()
    monkeypatch.setattr(os, "write", failing_after(8, errno.ENOSPC))
    with pytest.raises(StoreFullError):
        RunWriter(folder, "RUN")
    assert folder.run_ids() == []


def test_an_event_whose_body_could_not_be_written_is_not_there(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter(Folder(tmp_path), "RUN")
    writer.append("note", {}, {"text": "before"})
    monkeypatch.setattr(os, "write", failing_after(30, errno.ENOSPC))
    with pytest.raises(StoreFullError):
        writer.append("note", {}, {"text": "does not fit"})
    monkeypatch.undo()
    writer.append("note", {}, {"text": "after"})
    journal = read_journal(Folder(tmp_path), "RUN")
    assert [event.body for event in journal.events] == [{"text": "before"}, {"text": "after"}]
    assert [event.number for event in journal.events] == [0, 1]
    assert journal.damages == []
    writer.discard()


def test_an_event_whose_body_was_written_but_not_itself_is_not_there_either(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter(Folder(tmp_path), "RUN")
    body_bytes = 48 + 60
    monkeypatch.setattr(os, "write", failing_after(body_bytes, errno.ENOSPC))
    with pytest.raises(StoreFullError):
        writer.append("note", {}, {"text": "the body fits"})
    monkeypatch.undo()
    writer.append("note", {}, {"text": "after"})
    journal = read_journal(Folder(tmp_path), "RUN")
    assert [(event.number, event.body) for event in journal.events] == [(0, {"text": "after"})]
    assert journal.damages == []
    writer.discard()


def test_a_file_put_in_place_is_there_whole_or_not_at_all(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "f", b"old")
    monkeypatch.setattr(os, "write", failing_after(2, errno.ENOSPC))
    with pytest.raises(StoreFullError):
        write_whole(tmp_path / "f", b"new content")
    monkeypatch.undo()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_an_entry_too_large_for_a_frame_is_refused_before_it_is_written(tmp_path: pathlib.Path) -> None:
    class Large(bytes):
        def __len__(self) -> int:
            return (1 << 30) + 1

    writer = FrameWriter(tmp_path / "f", purpose="test")
    with pytest.raises(StoreError, match="at most"):
        writer.append(1, Large())
    assert scan_frames(tmp_path / "f").torn_bytes == 0


def test_an_ended_run_takes_nothing_more(tmp_path: pathlib.Path) -> None:
    writer = RunWriter(Folder(tmp_path), "RUN")
    writer.seal("finished")
    writer.seal("failed")
    for attempt in (
        lambda: writer.append("note"),
        lambda: writer.put_object(b"x"),
        lambda: writer.append_segment("lineage", 1, b"x"),
    ):
        with pytest.raises(StoreError, match="has ended"):
            attempt()
    assert [event.public["status"] for event in read_journal(Folder(tmp_path), "RUN").find("run_end")] == [
        "finished"
    ]


def test_a_process_forked_from_the_writer_can_not_write_into_its_files(tmp_path: pathlib.Path) -> None:
    writer = RunWriter(Folder(tmp_path), "RUN")
    child = os.fork()
    if child == 0:
        try:
            writer.append("note")
        except StoreError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    writer.append("note")
    writer.seal("finished")
    assert read_journal(Folder(tmp_path), "RUN").damages == []
