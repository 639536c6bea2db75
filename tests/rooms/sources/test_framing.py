"""Where rows begin and end: the fast ways agree with the slow ones, and with Python's csv module."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.sources.framing import FilledLines, Frame, Lines, Records

RAGGED = st.text(alphabet=' a"\n\r,\t\x0b\u2028é', max_size=60).map(str.encode)


def rows_at_starts(frame: Frame, data: bytes) -> list[bytes]:
    """Cut rows out at the starts; each is followed only by what belongs to no row."""
    starts = [*frame.starts().tolist(), frame.used]
    return [data[start:stop] for start, stop in pairwise(starts)]


@given(RAGGED)
def test_lines_are_what_splitting_at_newlines_gives(data: bytes) -> None:
    frame = Lines(data)
    assert frame.used == data.rfind(b"\n") + 1
    assert frame.rows() == [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
    assert [
        row.removesuffix(b"\n").removesuffix(b"\r") for row in rows_at_starts(frame, data)
    ] == frame.rows()


@given(RAGGED)
def test_filled_lines_are_the_lines_with_something_in_them(data: bytes) -> None:
    frame = FilledLines(data)
    assert frame.rows() == [row for row in Lines(data).rows() if row.strip()]
    assert [row.split(b"\n")[0].removesuffix(b"\r") for row in rows_at_starts(frame, data)] == frame.rows()


def csv_rows(text: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text, newline="\n")) if row]


@given(RAGGED)
def test_records_are_those_of_the_csv_module(data: bytes) -> None:
    frame = Records(data, ",")
    try:
        expected = csv_rows(data[: frame.used].decode())
        found = [row for record in frame.rows() for row in csv.reader([record.decode()])]
    except csv.Error:  # a bare carriage return, which is refused when the record is decoded
        return
    assert found == expected
    assert len(frame.starts()) == len(expected)
    assert csv_rows(b"".join(rows_at_starts(frame, data)).decode()) == expected


@given(st.lists(st.lists(st.text(alphabet='a", \n;é', max_size=4), min_size=2, max_size=3), max_size=6))
def test_what_the_csv_module_writes_is_framed_whole(table: list[list[str]]) -> None:
    for delimiter in ",;":
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter).writerows(table)
        frame = Records(text.getvalue().encode(), delimiter)
        assert frame.used == len(text.getvalue().encode())
        assert list(csv.reader([row.decode() for row in frame.rows()], delimiter=delimiter)) == table


@pytest.mark.parametrize(
    ("data", "used"), [(b'a,"b\n', 0), (b'x\na,"b\n', 2), (b'5" pipe,1\n', 10), (b'"a""\nb",c\n', 10)]
)
def test_an_open_quote_holds_its_record_back(data: bytes, used: int) -> None:
    assert Records(data, ",").used == used
