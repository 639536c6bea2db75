"""Framed files: there and back, and no change of any byte goes unseen."""

from __future__ import annotations

import pathlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import DamagedError, NotFoundError, StoreError, StoreVersionError
from whence.store import Frame, Scan, read_frame, scan_frames
from whence.store.frames import FrameWriter
from whence.vocab import digest_bytes

HEAD = 16
PREFIX = 48
ENTRIES = st.lists(st.tuples(st.integers(0, 2**16 - 1), st.binary(max_size=60)), max_size=6)


def write_frames(path: pathlib.Path, entries: list[tuple[int, bytes]]) -> list[int]:
    """Write a framed file; returns the offsets."""
    writer = FrameWriter(path, purpose="test")
    places = [writer.append(kind, payload) for kind, payload in entries]
    offsets = [place.offset for place in places if place is not None]
    writer.sync()
    writer.close()
    return offsets


def entries_of(frames: list[Frame]) -> list[tuple[int, bytes]]:
    return [(frame.kind, frame.payload) for frame in frames]


def forge(kind: int, payload: bytes, chain: bytes) -> bytes:
    """Spell a frame whose checksum is right, with any chain value, as the page describes it."""
    covered = struct.pack("<IHH", len(payload), kind, 0) + payload
    return struct.pack("<4sIHHI32s", b"\xf7WHF", len(payload), kind, 0, zlib.crc32(covered), chain) + payload


def scan_bytes(path: pathlib.Path, data: bytes) -> Scan:
    path.write_bytes(data)
    return scan_frames(path)


@given(ENTRIES)
def test_what_is_appended_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("frames") / "f"
    offsets = write_frames(path, entries)
    scan = scan_frames(path)
    assert entries_of(scan.frames) == entries
    assert [frame.offset for frame in scan.frames] == offsets
    assert (scan.damages, scan.torn_bytes, scan.sound_bytes) == ([], 0, path.stat().st_size)
    assert [entries_of([read_frame(path, offset)])[0] for offset in offsets] == entries


@given(ENTRIES)
def test_the_chain_is_what_the_page_says(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("frames") / "f"
    write_frames(path, entries)
    data = path.read_bytes()
    chain = digest_bytes(data[:HEAD])
    expected = data[:HEAD]
    for kind, payload in entries:
        chain = digest_bytes(chain + struct.pack("<IHH", len(payload), kind, 0) + payload)
        expected += forge(kind, payload, chain)
    assert data == expected
    assert scan_frames(path).chain == chain


# one payload holds the mark that frames begin with, one is empty, one holds a whole frame
ATTACKED = [(1, b"first"), (2, b"\xf7WHF"), (1, b""), (3, forge(9, b"inner", bytes(32))), (1, b"last")]


def test_a_file_cut_off_anywhere_gives_the_frames_before_and_calls_the_rest_torn(
    tmp_path: pathlib.Path,
) -> None:
    offsets = write_frames(tmp_path / "f", ATTACKED)
    data = (tmp_path / "f").read_bytes()
    ends = [*offsets[1:], len(data)]
    for length in range(len(data)):
        scan = scan_bytes(tmp_path / "cut", data[:length])
        whole = sum(end <= length for end in ends)
        if length >= HEAD and not _is_inside(3, offsets, ends, length):
            assert entries_of(scan.frames) == ATTACKED[:whole], length
            assert scan.damages == [], length
            assert scan.torn_bytes == length - ([HEAD, *ends][whole]), length
        elif length < HEAD:
            assert (scan.frames, scan.damages, scan.torn_bytes) == ([], [], length)
        else:
            # inside the frame that holds a frame, damage may be seen; nothing before it is lost
            assert entries_of(scan.frames)[:whole] == ATTACKED[:whole], length


def _is_inside(number: int, offsets: list[int], ends: list[int], length: int) -> bool:
    return offsets[number] < length < ends[number]


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_any_changed_byte_is_noticed_and_all_other_frames_are_recovered(
    tmp_path: pathlib.Path, change: int
) -> None:
    entries = [(1, b"first"), (2, b"second \xf7WHF"), (1, b""), (1, b"fourth"), (4, b"last")]
    offsets = write_frames(tmp_path / "f", entries)
    data = (tmp_path / "f").read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= change
        if place == 7 and changed[7] > 1:
            with pytest.raises(StoreVersionError):
                scan_bytes(tmp_path / "changed", bytes(changed))
            continue
        scan = scan_bytes(tmp_path / "changed", bytes(changed))
        assert scan.damages, place
        hit = sum(offset <= place for offset in offsets) - 1
        inside_chain = hit >= 0 and 16 <= place - offsets[hit] < PREFIX
        survivors = entries if inside_chain or hit < 0 else entries[:hit] + entries[hit + 1 :]
        assert entries_of(scan.frames) == survivors, place


def test_a_changed_length_of_the_last_frame_does_not_pass_for_a_crash(tmp_path: pathlib.Path) -> None:
    offsets = write_frames(tmp_path / "f", [(1, b"first"), (1, b"run_end")])
    data = bytearray((tmp_path / "f").read_bytes())
    data[offsets[1] + 4] += 1
    scan = scan_bytes(tmp_path / "f", bytes(data))
    assert scan.torn_bytes == 0
    assert [damage.offset for damage in scan.damages] == [offsets[1]]


def _pieces(path: pathlib.Path) -> tuple[bytes, list[bytes]]:
    offsets = write_frames(path, [(1, bytes([letter]) * 9) for letter in b"abcde"])
    data = path.read_bytes()
    ends = [*offsets[1:], len(data)]
    return data[:HEAD], [data[start:end] for start, end in zip(offsets, ends, strict=True)]


@pytest.mark.parametrize(
    ("what", "order"),
    [
        ("removed", [0, 1, 3, 4]),
        ("first removed", [1, 2, 3, 4]),
        ("two removed", [0, 3, 4]),
        ("swapped", [0, 2, 1, 3, 4]),
        ("repeated", [0, 1, 1, 2, 3, 4]),
        ("moved to the end", [0, 2, 3, 4, 1]),
    ],
)
def test_frames_with_right_checksums_in_a_wrong_order_break_the_chain(
    tmp_path: pathlib.Path, what: str, order: list[int]
) -> None:
    head, frames = _pieces(tmp_path / "f")
    scan = scan_bytes(tmp_path / what, head + b"".join(frames[number] for number in order))
    assert len(scan.frames) == len(order)
    assert any("hash chain" in damage.problem for damage in scan.damages)


def test_a_forged_frame_with_a_right_checksum_breaks_the_chain(tmp_path: pathlib.Path) -> None:
    head, frames = _pieces(tmp_path / "f")
    forged = forge(1, b"forged", frames[1][16:48])
    scan = scan_bytes(tmp_path / "g", head + frames[0] + forged + frames[2])
    # the forged frame doesn't follow from what is before it, nor what comes after from the forged one
    assert [damage.offset for damage in scan.damages] == [HEAD + len(frames[0])]
    assert "hash chain" in scan.damages[0].problem


def test_a_frame_forged_with_a_chain_of_its_own_breaks_the_chain_after_it(tmp_path: pathlib.Path) -> None:
    head, frames = _pieces(tmp_path / "f")
    before = frames[0][16:48]
    covered = struct.pack("<IHH", 6, 1, 0) + b"forged"
    forged = forge(1, b"forged", digest_bytes(before + covered))
    scan = scan_bytes(tmp_path / "g", head + frames[0] + forged + frames[2])
    assert [damage.offset for damage in scan.damages] == [HEAD + len(frames[0]) + len(forged)]


def test_another_head_breaks_the_chain_at_the_first_frame(tmp_path: pathlib.Path) -> None:
    write_frames(tmp_path / "f", [(1, b"x")])
    data = (tmp_path / "f").read_bytes()
    scan = scan_bytes(tmp_path / "g", data[:8] + b"payload\x00" + data[16:])
    assert "hash chain" in scan.damages[0].problem


def test_a_file_of_a_newer_version_is_refused(tmp_path: pathlib.Path) -> None:
    write_frames(tmp_path / "f", [(1, b"x")])
    data = bytearray((tmp_path / "f").read_bytes())
    data[7] = 2
    with pytest.raises(StoreVersionError, match="reads up to 1") as caught:
        scan_bytes(tmp_path / "f", bytes(data))
    assert "upgrade" in caught.value.remedy.lower()


def test_something_that_is_no_framed_file_is_damage_and_not_empty(tmp_path: pathlib.Path) -> None:
    scan = scan_bytes(tmp_path / "f", b"%PDF-1.7 and so on, for more than a head")
    assert scan.frames == []
    assert scan.damages[0].problem == "not a framed file"


def test_a_file_is_never_written_over(tmp_path: pathlib.Path) -> None:
    write_frames(tmp_path / "f", [(1, b"x")])
    with pytest.raises(StoreError):
        FrameWriter(tmp_path / "f", purpose="test")


def test_no_sound_frame_at_an_offset_is_damage_with_its_place(tmp_path: pathlib.Path) -> None:
    write_frames(tmp_path / "f", [(1, b"x")])
    for offset in (0, 17, 1000):
        with pytest.raises(DamagedError) as caught:
            read_frame(tmp_path / "f", offset)
        assert caught.value.place == f"{tmp_path / 'f'}:{offset}"


def test_a_file_that_is_not_there_is_not_found(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotFoundError):
        scan_frames(tmp_path / "nothing")
    with pytest.raises(StoreError, match="can't be read"):
        scan_frames(tmp_path)
