"""Journals: what was written is read, and what was changed, destroyed or added is told."""

from __future__ import annotations

import pathlib
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.rooms.store.test_frames import forge
from whence.errors import DamagedError, NotFoundError
from whence.store import (
    Folder,
    Journal,
    RunWriter,
    check_object,
    check_segments,
    decode_content,
    read_journal,
    read_object,
    scan_frames,
)
from whence.vocab import digest_bytes, encode_content

TEXT = st.text(st.characters(), max_size=8)
CONTENT = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.none() | st.dictionaries(TEXT, CONTENT, max_size=3)


@given(CONTENT)
@example({"\udcff": {"\ud800": "\udfff"}, "a": ["\udcff"]})
def test_content_of_frames_comes_back_as_it_was(value: Any) -> None:
    assert decode_content(encode_content(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\xa1\xff",
        b"\xd4\x05x",
        b"\xd4\x01\xff",
        b"\xd4\x02\x90\x01",
        b"\xd4\x02\xc0",
        b"\xd5\x02\x91\x01",
        b"\xd6\x02\x92\x90\x01\x00",
        b"\x91" * 5000 + b"\xc0",
    ],
)
def test_content_that_is_not_ours_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_content(data)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), BODIES), max_size=5))
def test_events_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, dict[str, Any] | None]]
) -> None:
    folder = Folder(tmp_path_factory.mktemp("ws"))
    writer = RunWriter(folder, "RUN", now_ns=lambda: 1_762_000_000_000_000_000)
    numbers = [writer.append(kind, {"number": place}, body) for place, (kind, body) in enumerate(written)]
    journal = read_journal(folder, "RUN")
    writer.seal("finished")
    assert numbers == list(range(len(written)))
    assert [(event.kind, event.body) for event in journal.events] == written
    assert [event.public for event in journal.events] == [{"number": number} for number in numbers]
    assert {event.at_ns for event in journal.events} <= {1_762_000_000_000_000_000}
    assert not any(event.redacted for event in journal.events)
    assert journal.damages == []


def write_run(folder: Folder, *, seal: bool = True) -> Journal:
    writer = RunWriter(folder, "RUN")
    writer.append("run_start", {"name": "x"}, {"title": "my title"})
    writer.append("note", {}, {"text": "secret words"})
    writer.put_object(b"a small object")
    writer.append_segment("lineage", 1, b"decisions")
    writer.append_segment("lineage", 1, b"more decisions")
    if seal:
        writer.seal("finished", {"wall_s": 1.0})
    return read_journal(folder, "RUN")


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Folder:
    return Folder(tmp_path)


def run_file(folder: Folder, name: str) -> pathlib.Path:
    return folder.run_path("RUN") / name


def test_the_journal_holds_no_word_of_a_body(folder: Folder) -> None:
    write_run(folder)
    assert b"secret words" not in run_file(folder, "journal").read_bytes()
    assert b"secret words" in run_file(folder, "payloads").read_bytes()


def test_equal_bodies_have_commitments_of_their_own(folder: Folder) -> None:
    """Without a salt, whoever guesses a destroyed text could prove that it was there."""
    writer = RunWriter(folder, "RUN")
    for _ in range(2):
        writer.append("note", {}, {"text": "yes"})
    frames = scan_frames(run_file(folder, "journal")).frames
    commitments = [decode_content(frame.payload)["c"] for frame in frames]
    assert commitments[0] != commitments[1]
    assert digest_bytes(encode_content({"text": "yes"})) not in commitments
    writer.discard()


def test_a_destroyed_body_leaves_its_event_redacted_and_the_others_readable(folder: Folder) -> None:
    before = write_run(folder)
    path = run_file(folder, "payloads")
    frames = scan_frames(path).frames
    data = path.read_bytes()
    kept = [data[:16]]
    ends = [*[frame.offset for frame in frames[1:]], len(data)]
    for frame, end in zip(frames, ends, strict=True):
        if b"secret words" not in frame.payload:
            kept.append(data[frame.offset : end])
    path.write_bytes(b"".join(kept))
    after = read_journal(folder, "RUN")
    note = after.find("note")[0]
    assert (note.body, note.redacted) == (None, True)
    assert after.find("run_start")[0].body == before.find("run_start")[0].body
    assert after.chain == before.chain
    assert len(after.events) == len(before.events)


def test_all_bodies_destroyed_leave_a_journal_that_checks(folder: Folder) -> None:
    before = write_run(folder)
    run_file(folder, "payloads").unlink()
    after = read_journal(folder, "RUN")
    assert after.damages == []
    assert after.chain == before.chain
    assert [event.kind for event in after.events] == [event.kind for event in before.events]
    assert all(event.redacted for event in after.events if event.kind in ("run_start", "note", "run_end"))


def test_a_body_put_in_place_of_another_is_not_believed(folder: Folder) -> None:
    write_run(folder)
    path = run_file(folder, "payloads")
    body = encode_content({"text": "other words!"})
    salt = bytes(16)
    forged = encode_content({"n": 1, "s": salt, "b": body})
    data = path.read_bytes()
    frames = scan_frames(path).frames
    end = frames[2].offset
    chain = frames[0].chain
    path.write_bytes(data[: frames[1].offset] + forge(1, forged, chain) + data[end:])
    journal = read_journal(folder, "RUN")
    note = journal.find("note")[0]
    assert note.body is None
    assert any("isn't the one the journal committed to" in damage.problem for damage in journal.damages)


def test_a_body_added_beside_the_true_one_does_not_displace_it(folder: Folder) -> None:
    """Reading on after damage may land inside of an object that holds frames."""
    write_run(folder)
    path = run_file(folder, "payloads")
    forged = encode_content({"n": 1, "s": bytes(16), "b": encode_content({"text": "no"})})
    path.write_bytes(path.read_bytes() + forge(1, forged, bytes(32)))
    journal = read_journal(folder, "RUN")
    assert journal.find("note")[0].body == {"text": "secret words"}
    assert journal.damages


@pytest.mark.parametrize("name", ["journal", "payloads"])
@pytest.mark.parametrize(
    "content", [b"", b"\xc1", encode_content([1]), encode_content({"n": []}), encode_content({})]
)
def test_a_frame_that_holds_something_else_is_damage_and_hides_nothing(
    folder: Folder, name: str, content: bytes
) -> None:
    before = write_run(folder, seal=False)
    path = run_file(folder, name)
    path.write_bytes(path.read_bytes() + forge(1, content, bytes(32)))
    after = read_journal(folder, "RUN")
    assert any("holds no" in damage.problem for damage in after.damages)
    assert after.events == before.events


def test_kinds_of_frames_that_a_later_whence_may_write_are_passed_over(folder: Folder) -> None:
    writer = RunWriter(folder, "RUN")
    writer._journal.append(77, b"from the future")
    writer._payloads.append(77, b"from the future")
    writer.append("note", {"unknown": [1, 2]}, {"text": "x"})
    journal = read_journal(folder, "RUN")
    assert journal.damages == []
    assert [(event.kind, event.public) for event in journal.events] == [("note", {"unknown": [1, 2]})]
    writer.discard()


def test_a_missing_journal_beside_payloads_is_damage(folder: Folder) -> None:
    write_run(folder)
    run_file(folder, "journal").unlink()
    journal = read_journal(folder, "RUN")
    assert [damage.problem for damage in journal.damages] == ["the journal is not there"]


def test_a_run_that_wrote_nothing_is_not_found(folder: Folder) -> None:
    folder.run_path("RUN").mkdir(parents=True)
    with pytest.raises(NotFoundError):
        read_journal(folder, "RUN")


@pytest.mark.parametrize("name", ["journal", "payloads"])
@pytest.mark.parametrize("tail", [b"\xf7WHF" + bytes(10), b"\xf7WHF\xff\xff\x00\x00" + bytes(40), b"x"])
def test_bytes_after_the_end_of_an_ended_run_are_damage(folder: Folder, name: str, tail: bytes) -> None:
    write_run(folder)
    path = run_file(folder, name)
    path.write_bytes(path.read_bytes() + tail)
    assert read_journal(folder, "RUN").damages


def test_a_half_written_event_of_a_run_that_died_is_no_damage(folder: Folder) -> None:
    before = write_run(folder, seal=False)
    path = run_file(folder, "journal")
    path.write_bytes(path.read_bytes() + b"\xf7WHF" + bytes(10))
    after = read_journal(folder, "RUN")
    assert after.damages == []
    assert after.torn_bytes == 14
    assert after.events == before.events


# segments


def test_segments_of_an_ended_run_hold_what_its_journal_committed_to(folder: Folder) -> None:
    journal = write_run(folder)
    assert check_segments(journal) == []
    assert [frame.payload for frame in journal.segment("lineage").frames] == [b"decisions", b"more decisions"]
    assert journal.segment("digests").frames == []


def _shorten(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[: scan_frames(path).frames[1].offset])


def _lengthen(path: pathlib.Path) -> None:
    chain = scan_frames(path).chain
    covered = b"\x04\x00\x00\x00\x01\x00\x00\x00more"
    path.write_bytes(path.read_bytes() + forge(1, b"more", digest_bytes(chain + covered)))


def _tear(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes() + b"\xf7WHF")


def _rewrite(path: pathlib.Path) -> None:
    """Other decisions, with checksums and chain as they should be: only the commitment tells."""
    data = path.read_bytes()[:16]
    chain = digest_bytes(data)
    for payload in (b"decisionZ", b"more decisions"):
        chain = digest_bytes(chain + len(payload).to_bytes(4, "little") + b"\x01\x00\x00\x00" + payload)
        data += forge(1, payload, chain)
    path.write_bytes(data)


@pytest.mark.parametrize("attack", [_shorten, _lengthen, _tear, _rewrite, pathlib.Path.unlink])
def test_a_segment_that_is_not_the_one_that_was_sealed_is_told(folder: Folder, attack: Any) -> None:
    write_run(folder)
    attack(run_file(folder, "segments/lineage"))
    damages = check_segments(read_journal(folder, "RUN"))
    assert len(damages) == 1
    assert damages[0].path == str(run_file(folder, "segments/lineage"))


def test_a_segment_that_was_added_after_the_end_is_told(folder: Folder) -> None:
    write_run(folder)
    lineage = run_file(folder, "segments/lineage")
    run_file(folder, "segments/digests").write_bytes(lineage.read_bytes())
    assert [damage.problem for damage in check_segments(read_journal(folder, "RUN"))] == [
        "the run ended without this segment"
    ]


# objects


def test_small_objects_lie_with_the_run_and_large_ones_once_in_the_workspace(folder: Folder) -> None:
    writer = RunWriter(folder, "RUN")
    small, large = b"s" * 65_536, b"l" * 65_537
    digests = [writer.put_object(data) for data in (small, large, small, large)]
    assert digests == [digest_bytes(small), digest_bytes(large)] * 2
    journal = read_journal(folder, "RUN")
    assert list(journal.objects) == [digests[0]]
    assert not folder.object_path(digests[0]).exists()
    assert read_object(folder, journal, digests[0]) == small
    assert read_object(folder, journal, digests[1]) == large
    assert check_object(folder, journal, digests[1]) is None
    assert sum(frame.kind == 2 for frame in scan_frames(run_file(folder, "payloads")).frames) == 1
    writer.discard()


@pytest.mark.parametrize("content", [b"", b"not zlib", msgspec.msgpack.encode("x")])
def test_a_damaged_object_is_told_and_healed_by_whoever_has_it(folder: Folder, content: bytes) -> None:
    folder.make()
    data = b"m" * 70_000
    digest = folder.put_object(data)
    folder.object_path(digest).write_bytes(content)
    with pytest.raises(DamagedError) as caught:
        folder.read_object(digest)
    assert caught.value.place == str(folder.object_path(digest))
    assert folder.put_object(data) == digest
    assert folder.read_object(digest) == data


def test_an_object_with_the_bytes_of_another_is_not_believed(folder: Folder) -> None:
    folder.make()
    first, second = folder.put_object(b"a" * 70_000), folder.put_object(b"b" * 70_000)
    folder.object_path(first).write_bytes(folder.object_path(second).read_bytes())
    with pytest.raises(DamagedError, match="aren't those of its digest"):
        folder.read_object(first)


def test_an_object_that_is_not_here_is_not_found(folder: Folder) -> None:
    with pytest.raises(NotFoundError, match="sha256:"):
        folder.read_object(bytes(32))
