"""What a power cut leaves is cut off where it had not been on the disk, and refused where it had."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import threading

import pytest

from whence.errors import DamagedError
from whence.store import (
    Folder,
    Journal,
    RunWriter,
    encode_content,
    read_journal,
    split_damages,
    writing,
)
from whence.store.confirming import SYNCED, read_synced

RUN = "RUN"


@pytest.fixture
def left(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A run of which four events were on the disk when the machine went down, and three more written."""
    monkeypatch.setattr(writing, "_SYNC_PERIOD_S", 1e6)
    writer = RunWriter(Folder(tmp_path / "of" / ".whence"), RUN)
    writer.append("run_start", {"name": "a-run"}, {"title": "t"})
    writer.append("pass_start", {"pass": 0, "stream": 0, "epoch": 0, "repeat": 0, "record": "full"})
    for number in range(5):
        writer.append("note", {}, {"text": f"{number}"})
        writer.append_segment("digests", 1, encode_content({"p": 0}))
        if number == 1:
            writer.sync()
    shutil.copytree(tmp_path / "of", tmp_path / "left")
    writer.discard()
    folder = Folder(tmp_path / "left" / ".whence")
    lease = folder.run_path(RUN) / "lease"
    lease.write_text(json.dumps(json.loads(lease.read_text()) | {"boot": "the one before"}))
    return folder


def flip(folder: Folder, name: str, place: int) -> None:
    path = folder.run_path(RUN) / name
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def reopened(folder: Folder) -> Journal:
    writer, journal = RunWriter.reopen(folder, RUN, check=lambda journal: ())
    writer.append("note", {}, {"text": "went on"})
    writer.seal("finished")
    return journal


def test_what_is_whole_stays_whether_it_was_on_the_disk_or_not(left: Folder) -> None:
    assert len(reopened(left).events) == 7


@pytest.mark.parametrize("name", ["journal", "payloads", "segments/digests"])
def test_a_hole_behind_what_was_on_the_disk_cuts_all_files_at_one_moment(left: Folder, name: str) -> None:
    synced = read_synced(left.run_path(RUN))
    assert synced is not None
    flip(left, name, synced[name] + 50)
    journal = read_journal(left, RUN)
    damages = [*journal.damages, *(each for each in journal.survey("digests").damages)]
    assert split_damages(journal, damages) == ([], damages)
    assert damages
    kept = reopened(left)
    assert len(kept.events) == 4
    journal = read_journal(left, RUN)
    assert [(event.body or {}).get("text") for event in journal.find("note")] == ["0", "1", "went on"]
    assert journal.survey("digests").count == 2
    assert journal.damages == []


@pytest.mark.parametrize("name", ["journal", "payloads", "segments/digests"])
def test_damage_in_what_was_on_the_disk_is_refused_and_nothing_is_cut(left: Folder, name: str) -> None:
    synced = read_synced(left.run_path(RUN))
    assert synced is not None
    flip(left, name, synced[name] - 1)
    flip(left, name, synced[name] + 50)
    path = left.run_path(RUN) / name
    before = path.read_bytes()
    with pytest.raises(DamagedError, match="damaged"):
        reopened(left)
    assert path.read_bytes() == before


def test_what_was_on_the_disk_and_is_gone_is_refused(left: Folder) -> None:
    synced = read_synced(left.run_path(RUN))
    assert synced is not None
    flip(left, "payloads", synced["payloads"] + 50)
    os.truncate(left.run_path(RUN) / "journal", synced["journal"] - 10)
    with pytest.raises(DamagedError):
        reopened(left)


def test_where_the_machine_did_not_go_down_a_hole_is_damage(left: Folder) -> None:
    lease = left.run_path(RUN) / "lease"
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    lease.write_text(
        json.dumps(json.loads(lease.read_text()) | {"boot": boot, "pid": 1 << 22, "started": "0"})
    )
    flip(left, "journal", -60)
    with pytest.raises(DamagedError, match="damaged"):
        reopened(left)


def test_half_a_slot_leaves_the_one_before(left: Folder) -> None:
    path = left.run_path(RUN) / SYNCED
    whole = read_synced(left.run_path(RUN))
    data = path.read_bytes()
    for slot in range(2):
        path.write_bytes(data[: slot * 4096 + 20] + bytes(4096 - 20) + data[(slot + 1) * 4096 :])
        found = read_synced(left.run_path(RUN))
        assert found is not None
        assert found == whole or all(found.get(name, 0) <= size for name, size in (whole or {}).items())
    path.write_bytes(bytes(8192))
    assert read_synced(left.run_path(RUN)) is None


def test_a_folder_that_is_taken_away_ends_no_thread(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = threading.Semaphore(0)
    settle = RunWriter.settle

    def noted(writer: RunWriter) -> bool:
        try:
            return settle(writer)
        finally:
            settled.release()

    monkeypatch.setattr(writing, "_SYNC_PERIOD_S", 0.01)
    monkeypatch.setattr(RunWriter, "settle", noted)
    writer = RunWriter(Folder(tmp_path / ".whence"), RUN)
    writer.append_segment("digests", 1, encode_content({"p": 0}))
    shutil.rmtree(tmp_path / ".whence")
    assert all(settled.acquire(timeout=30) for _ in range(4)), "it goes on looking whether it is there again"
    writer.discard()
