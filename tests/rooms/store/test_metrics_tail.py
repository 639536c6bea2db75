"""Tails: every point written is read, one that was changed or moved is named, half a call is none."""

from __future__ import annotations

import pathlib
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import StoreVersionError
from whence.store.metrics_tail import (
    HEAD_BYTES,
    MORE,
    POINT_BYTES,
    Tail,
    TailScan,
    find_tails,
    scan_tail,
    spell_point,
)

FIRST = 2**32 + 5
"""So that an ordinal doesn't fit the checksum's beginning."""

CALLS = [1, 1, 3, 1, 2, 4]
"""How many points each call wrote."""

Row = tuple[int, int, float, int]


def write_calls(folder: pathlib.Path, calls: list[list[Row]], first: int = FIRST) -> Tail:
    tail = Tail(folder, first)
    for rows in calls:
        ordinal = tail.ready()
        spelled = [
            spell_point(at, step, value, key | (MORE if place < len(rows) - 1 else 0), ordinal + place)
            for place, (at, step, value, key) in enumerate(rows)
        ]
        tail.add(b"".join(spelled), len(rows))
    return tail


def rows_of(count: int, start: int = 0) -> list[Row]:
    return [(1_000 + number, number, number / 7, number % 3) for number in range(start, start + count)]


@pytest.fixture
def tail(tmp_path: pathlib.Path) -> Tail:
    calls, start = [], 0
    for count in CALLS:
        calls.append(rows_of(count, start))
        start += count
    return write_calls(tmp_path, calls)


def scanned(tail: Tail) -> TailScan:
    found = scan_tail(tail.path, tail.first)
    assert found is not None
    return found


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(-(2**63), 2**63 - 1),
                st.integers(-(2**63), 2**63 - 1),
                st.floats(),
                st.integers(0, 2**31 - 1),
            ),
            min_size=1,
            max_size=5,
        ),
        max_size=8,
    ),
    st.sampled_from([0, 1, 2**32 - 3, FIRST]),
)
def test_points_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, calls: list[list[Row]], first: int
) -> None:
    tail = write_calls(tmp_path_factory.mktemp("tail"), calls, first)
    found = scan_tail(tail.path, first)
    rows = [row for call in calls for row in call]
    if not rows:
        assert found is None
        return
    assert found is not None
    assert (found.damages, found.torn_bytes, found.count) == ([], 0, len(rows))
    assert found.points.tobytes() == np.array(rows, found.points.dtype).tobytes()
    assert found.ordinals.tolist() == list(range(first, first + len(rows)))


def test_checksums_are_zlibs(tail: Tail) -> None:
    data = tail.path.read_bytes()[HEAD_BYTES:]
    for place in range(len(data) // POINT_BYTES):
        record = data[place * POINT_BYTES : (place + 1) * POINT_BYTES]
        begun = (FIRST + place) % 2**32
        assert zlib.crc32(record[:28], begun) == int.from_bytes(record[28:], "little")


def test_every_changed_byte_is_named_and_all_other_points_are_there(tail: Tail) -> None:
    sound = scanned(tail)
    data = tail.path.read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        tail.path.write_bytes(changed)
        try:
            found = scanned(tail)
        except StoreVersionError:
            assert place == 7
            continue
        (damage,) = found.damages
        assert damage.offset <= place < damage.offset + damage.length
        of_point = (place - HEAD_BYTES) // POINT_BYTES
        kept = [number for number in range(sum(CALLS)) if number != of_point]
        assert found.points.tolist() == sound.points[kept].tolist()
        assert found.ordinals.tolist() == [FIRST + number for number in kept]
        assert found.count == sum(CALLS)


def test_a_tail_cut_anywhere_holds_whole_calls(tail: Tail) -> None:
    sound = scanned(tail)
    data = tail.path.read_bytes()
    ends = np.cumsum([0, *CALLS]).tolist()
    for size in range(len(data)):
        tail.path.write_bytes(data[:size])
        found = scanned(tail)
        whole = max(end for end in ends if HEAD_BYTES + end * POINT_BYTES <= max(size, HEAD_BYTES))
        assert found.damages == []
        assert found.count == whole
        assert found.points.tolist() == sound.points[:whole].tolist()
        assert found.torn_bytes == max(0, size - HEAD_BYTES - whole * POINT_BYTES)


@pytest.mark.parametrize("zeros", [1, POINT_BYTES, 4096])
def test_zeros_at_the_end_are_cut_off(tail: Tail, zeros: int) -> None:
    with tail.path.open("ab") as file:
        file.write(bytes(zeros))
    found = scanned(tail)
    assert (found.damages, found.count, found.torn_bytes) == ([], sum(CALLS), zeros)


def test_points_that_changed_places_are_named(tail: Tail) -> None:
    data = tail.path.read_bytes()
    records = [data[at : at + POINT_BYTES] for at in range(HEAD_BYTES, len(data), POINT_BYTES)]
    records[1], records[4] = records[4], records[1]
    tail.path.write_bytes(data[:HEAD_BYTES] + b"".join(records))
    assert [(each.offset, each.length) for each in scanned(tail).damages] == [
        (HEAD_BYTES + place * POINT_BYTES, POINT_BYTES) for place in (1, 4)
    ]


def test_a_point_that_was_taken_out_is_named(tail: Tail) -> None:
    data = tail.path.read_bytes()
    tail.path.write_bytes(data[: HEAD_BYTES + POINT_BYTES] + data[HEAD_BYTES + 2 * POINT_BYTES :])
    found = scanned(tail)
    assert found.ordinals.tolist() == [FIRST]
    assert found.damages[0].offset == HEAD_BYTES + POINT_BYTES


def test_a_tail_is_gone_on_with_and_cut_back_after_a_refused_write(tail: Tail) -> None:
    rows = scanned(tail).points.tolist()
    tail.close()
    tail = Tail(tail.path.parent, FIRST, sum(CALLS))
    with tail.path.open("rb") as file:
        descriptor, tail._descriptor = tail._descriptor, file.fileno()
        with pytest.raises(OSError, match="Bad file descriptor"):
            tail.add(spell_point(1, 2, 3.0, 0, tail.ready()), 1)
        tail._descriptor = descriptor
    with tail.path.open("ab") as file:
        file.write(b"half")  # what a refused write may have left
    tail.add(spell_point(1, 2, 3.0, 0, tail.ready()), 1)
    found = scanned(tail)
    assert (found.damages, found.torn_bytes) == ([], 0)
    assert found.points.tolist() == [*rows, (1, 2, 3.0, 0)]


def test_tails_are_found_by_their_ordinals(tmp_path: pathlib.Path) -> None:
    for first in (70, 9, 0):
        write_calls(tmp_path, [rows_of(1)], first)
    (tmp_path / "points-x").touch()
    (tmp_path / "points-").touch()
    assert [first for first, _ in find_tails(tmp_path)] == [0, 9, 70]
    assert scan_tail(tmp_path / "points-5", 5) is None
