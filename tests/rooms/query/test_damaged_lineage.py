"""Lineage that is damaged is not followed: what is missing is said, and everything else is answered."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Callable

import pytest

import whence as wh
from tests.rooms.store.test_frames import forge
from whence.capture import sealing
from whence.errors import DamagedError
from whence.runs import RunRecord
from whence.store import BLOCK, DIRECTORY, Folder, Frame, scan_frames
from whence.vocab import digest_bytes

COUNT = 3_000


def is_odd(number: int) -> bool:
    return number * 2_654_435_761 % 1_009 % 2 == 1


KEPT = [number for number in range(COUNT) if is_odd(number)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MASK_BLOCK", 1_024)


@pytest.fixture
def run(tmp_path: pathlib.Path) -> wh.Run:
    (tmp_path / "n.txt").write_text("\n".join(str(number) for number in range(COUNT)))
    stream = wh.from_text(tmp_path / "n.txt", name="n").map(int).filter(is_odd)
    with wh.start_run("t", workspace=tmp_path):
        for epoch in range(3):
            list(stream.epoch(epoch))
    return wh.open(tmp_path).run()


def frames_by_pass(run: wh.Run) -> tuple[pathlib.Path, list[list[Frame]]]:
    """The blocks of each pass and its directory: one for the rows, three for the filter."""
    path = run.record.journal.path / "segments" / "lineage"
    frames = scan_frames(path).frames
    assert [frame.kind for frame in frames] == 3 * [BLOCK, BLOCK, BLOCK, BLOCK, DIRECTORY]
    return path, [frames[:5], frames[5:10], frames[10:]]


def block_of(frames: list[Frame], start: int) -> Frame:
    """The block of the filter that begins so many inputs after the first."""
    return [frame for frame in frames if frame.payload[8] == 2][start // 1_024]


def again(run: wh.Run) -> wh.Run:
    return wh.open(run.record.folder.path).run(run.id)


def flip(path: pathlib.Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def row_at(run: wh.Run, epoch: int, output: int) -> int:
    (origin,) = run.trace(epoch, output).origins
    return origin.row


def test_a_damaged_block_stops_the_answers_that_touch_it_and_no_others(run: wh.Run) -> None:
    path, passes = frames_by_pass(run)
    block = block_of(passes[1], 1_024)
    flip(path, block.offset + 100)
    damaged = again(run)
    first = sum(number < 1_024 for number in KEPT)
    second = sum(number < 2_048 for number in KEPT)
    for epoch, output in ((0, first), (1, 0), (1, first - 1), (1, second), (1, len(KEPT) - 1), (2, first)):
        assert row_at(damaged, epoch, output) == KEPT[output]
    for output in (first, second - 1):
        with pytest.raises(DamagedError) as caught:
            damaged.trace(1, output)
        assert caught.value.place == f"{path}:{block.offset}"
        assert "copy" in caught.value.remedy
    workspace = wh.open(run.record.folder.path)
    assert not workspace.impact(f"n:{KEPT[first]}").absent
    assert workspace.impact(f"n:{KEPT[0]}").count == 3
    assert not workspace.verify().holds


def test_a_damaged_head_or_length_of_a_block_is_damage_to_that_block(run: wh.Run) -> None:
    path, passes = frames_by_pass(run)
    block = block_of(passes[0], 0)
    sound = path.read_bytes()
    for offset in (4, 5, 7, 8, 10, 48, 52, 56):
        flip(path, block.offset + offset)
        with pytest.raises(DamagedError):
            again(run).trace(0, 0)
        assert row_at(again(run), 0, len(KEPT) - 1) == KEPT[-1]
        path.write_bytes(sound)
    # what no answer rests on is noticed by verify
    flip(path, block.offset + 12)
    assert row_at(again(run), 0, 0) == KEPT[0]
    assert not wh.open(run.record.folder.path).verify().holds


def _damage(path: pathlib.Path, directory: Frame) -> None:
    flip(path, directory.offset + 60)


def _cut_off(path: pathlib.Path, directory: Frame) -> None:
    path.write_bytes(path.read_bytes()[: directory.offset])


@pytest.mark.parametrize("epoch", [0, 1, 2])
@pytest.mark.parametrize("attack", [_damage, _cut_off])
def test_a_directory_that_is_damaged_or_gone_is_made_again_from_the_blocks(
    run: wh.Run, attack: Callable[[pathlib.Path, Frame], None], epoch: int
) -> None:
    path, passes = frames_by_pass(run)
    attack(path, passes[epoch][-1])
    damaged = again(run)
    for output in (0, 700, len(KEPT) - 1):
        assert row_at(damaged, epoch, output) == KEPT[output]
    assert not wh.open(run.record.folder.path).verify().holds


def test_a_directory_that_can_not_be_made_again_stops_answers_on_its_pass_only(run: wh.Run) -> None:
    path, passes = frames_by_pass(run)
    flip(path, passes[1][-1].offset + 60)
    flip(path, block_of(passes[1], 2_048).offset + 60)
    damaged = again(run)
    for epoch in (0, 2):
        assert row_at(damaged, epoch, 0) == KEPT[0]
    with pytest.raises(DamagedError) as caught:
        damaged.trace(1, 0)
    assert caught.value.place == str(path)
    assert "copy" in caught.value.remedy
    assert not wh.open(run.record.folder.path).impact("n:1").absent


def rewritten(path: pathlib.Path, frames: list[Frame]) -> None:
    """Write a file anew, with checksums and a chain as they should be."""
    data = path.read_bytes()[:16]
    chain = digest_bytes(data)
    for frame in frames:
        covered = len(frame.payload).to_bytes(4, "little") + frame.kind.to_bytes(4, "little") + frame.payload
        chain = digest_bytes(chain + covered)
        data += forge(frame.kind, frame.payload, chain)
    path.write_bytes(data)
    assert scan_frames(path).damages == []


def test_blocks_written_anew_with_a_chain_of_their_own_are_not_believed(run: wh.Run) -> None:
    path, passes = frames_by_pass(run)
    frames = [frame for each in passes for frame in each]
    rewritten(path, [frames[1], *frames])
    for epoch in range(3):
        with pytest.raises(DamagedError):
            again(run).trace(epoch, 700)


def test_a_block_in_the_place_of_another_is_not_believed(run: wh.Run) -> None:
    path, passes = frames_by_pass(run)
    first, second = block_of(passes[0], 0), block_of(passes[1], 0)
    data = bytearray(path.read_bytes())
    size = 48 + len(first.payload)
    assert len(first.payload) == len(second.payload)
    data[first.offset : first.offset + size] = data[second.offset : second.offset + size]
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        again(run).trace(0, 0)
    assert row_at(again(run), 1, 0) == KEPT[0]


def test_a_file_that_is_cut_while_it_is_open_is_damage_and_not_the_end_of_the_process(run: wh.Run) -> None:
    path, passes = frames_by_pass(run)
    reading = again(run)
    assert row_at(reading, 2, 0) == KEPT[0]
    os.truncate(path, passes[1][0].offset)
    assert row_at(reading, 0, 0) == KEPT[0]
    with pytest.raises(DamagedError):
        reading.trace(2, len(KEPT) - 1)


def test_a_record_that_was_read_before_a_pass_ended_finds_its_blocks(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(range(COUNT), name="n").filter(is_odd)
    with wh.start_run("t", workspace=tmp_path) as run:
        list(stream.epoch(0))
        passing = iter(stream.epoch(1))
        next(passing)
        record = wh.open(tmp_path).run(run.id).record
        assert len(record.decisions(0)) == 2
        first = record.decisions(0)[1].selection().select([0])
        list(passing)
        run.sync()
        assert record.decisions(1)[1].selection().select([0, len(KEPT) - 1]).tolist() == [KEPT[0], KEPT[-1]]
        assert first.tolist() == record.decisions(0)[1].selection().select([0]).tolist()


def test_a_segment_that_is_gone_stops_answers_on_all_passes(run: wh.Run) -> None:
    frames_by_pass(run)[0].unlink()
    for epoch in range(3):
        with pytest.raises(DamagedError):
            again(run).trace(epoch, 700)


# what stands in a file of its own until its pass is sealed


@pytest.fixture
def half_way(tmp_path: pathlib.Path) -> wh.Run:
    """A copy of a run as its writer would have left it had it died: one pass sealed, one half read."""
    (tmp_path / "n.txt").write_text("\n".join(str(number) for number in range(COUNT)))
    stream = wh.from_text(tmp_path / "n.txt", name="n").map(int).filter(is_odd)
    with wh.start_run("t", workspace=tmp_path) as run:
        list(stream.epoch(0))
        run.sync()
        passing = iter(stream.epoch(1))
        for _ in range(len(KEPT) // 2):
            next(passing)
        shutil.copytree(tmp_path / ".whence", tmp_path / "copy" / ".whence")
    return wh.open(tmp_path / "copy").run()


def test_a_run_that_died_is_answered_from_blocks_and_from_what_was_written_before(half_way: wh.Run) -> None:
    path = half_way.record.journal.path / "segments"
    assert {each.name for each in path.iterdir()} == {"decisions-1", "digests", "lineage"}
    for epoch in (0, 1):
        for output in (0, len(KEPT) // 2 - 1):
            assert row_at(half_way, epoch, output) == KEPT[output]
    assert wh.open(half_way.record.folder.path).verify().holds


def test_damage_to_what_was_written_before_stops_answers_on_its_pass_only(half_way: wh.Run) -> None:
    path = half_way.record.journal.path / "segments" / "decisions-1"
    frames = scan_frames(path).frames
    flip(path, frames[2].offset + 50)
    assert row_at(again(half_way), 0, 700) == KEPT[700]
    with pytest.raises(DamagedError) as caught:
        again(half_way).trace(1, 0)
    assert caught.value.place == str(path)
    assert not wh.open(half_way.record.folder.path).verify().holds


def test_damage_to_a_block_of_a_run_that_died_is_found(half_way: wh.Run) -> None:
    path = half_way.record.journal.path / "segments" / "lineage"
    rewritten(path, scan_frames(path).frames[1:])
    assert not wh.open(half_way.record.folder.path).verify().holds
    with pytest.raises(DamagedError):
        again(half_way).trace(0, 700)


@pytest.mark.parametrize("loss", ["all", "half", "nothing"])
def test_after_a_power_cut_what_was_written_before_stands_in_for_the_blocks(
    run: wh.Run, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    """The journal came to the disk and the blocks didn't, or not all: the first file is still there then."""
    (tmp_path / "n").mkdir()
    monkeypatch.setattr(pathlib.Path, "unlink", lambda path, missing_ok=False: None)
    stream = wh.from_text(tmp_path / "n.txt", name="n").map(int).filter(is_odd)
    with wh.start_run("t", workspace=tmp_path / "n") as cut:
        list(stream)
    monkeypatch.undo()
    segments = cut.record.journal.path / "segments"
    assert (segments / "decisions-0").exists()
    assert wh.open(tmp_path / "n").verify().holds
    lineage = segments / "lineage"
    if loss == "all":
        lineage.unlink()
    elif loss == "half":
        os.truncate(lineage, lineage.stat().st_size // 2)
    for output in (0, 700, len(KEPT) - 1):
        assert row_at(again(cut), 0, output) == KEPT[output]


def test_a_file_left_over_that_is_not_the_one_that_was_sealed_is_told(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pathlib.Path, "unlink", lambda path, missing_ok=False: None)
    with wh.start_run("t", workspace=tmp_path) as run:
        wh.from_items(list(range(COUNT))).filter(is_odd).collect()
    monkeypatch.undo()
    path = run.record.journal.path / "segments" / "decisions-0"
    assert wh.open(tmp_path).verify().holds
    sound = path.read_bytes()
    flip(path, 70)
    assert [finding.where for finding in wh.open(tmp_path).verify().findings] == [f"{path}:0"]
    assert row_at(again(run), 0, 0) == KEPT[0]
    path.write_bytes(sound)
    path.rename(path.with_name("decisions-1"))
    assert not wh.open(tmp_path).verify().holds


def test_a_record_that_whence_0_1_wrote_is_still_read(run: wh.Run, half_way: wh.Run) -> None:
    """It kept the decisions of all passes in one file, and the journal said nothing of a directory."""
    journal = half_way.record.journal
    (journal.path / "segments" / "lineage").unlink()
    (journal.path / "segments" / "decisions-1").rename(journal.path / "segments" / "lineage")
    for event in journal.events:
        event.public.pop("lineage", None)
    record = RunRecord(Folder(half_way.record.folder.path), journal)
    assert record.decisions(1)[2].selection().select([0, 5]).tolist() == [KEPT[0], KEPT[5]]
    assert record.decisions(0) == {}


def test_a_damaged_digest_is_unknown_and_not_another_one(run: wh.Run) -> None:
    path = run.record.journal.path / "segments" / "digests"
    frames = scan_frames(path).frames
    whole = run.record.digests(0).items
    flip(path, frames[1].offset + 50)
    found = again(run).record.digests(0).items
    assert 0 < len(found) < len(whole)
    assert found.tolist() == whole[: len(found)].tolist()
    assert len(again(run).record.digests(1).items) == 0


def test_a_source_whose_description_is_gone_does_not_lend_its_number_to_another(
    tmp_path: pathlib.Path,
) -> None:
    with wh.start_run("t", workspace=tmp_path) as run:
        wh.from_items([1, 2], name="first").concat(wh.from_items([3], name="second")).collect()
    path = run.record.journal.path / "journal"
    event = next(event for event in run.record.journal.events if event.kind == "source")
    flip(path, scan_frames(path).frames[event.number].offset + 60)
    trace = again(run).trace(0, 2)
    assert [(origin.source, origin.row) for origin in trace.origins] == [("second", 0)]
    assert again(run).trace(0, 0).origins[0].source == "redacted source 0"
