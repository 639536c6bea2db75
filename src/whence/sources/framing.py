"""Where rows begin and end in bytes: lines, filled lines, and CSV records with quoted newlines.

A piece of a file that begins at a row's start is framed: how far its complete rows go, what the rows
are, and where each starts. What a row means is not known here. The rules for quotes are those of
Python's csv module, so that a record that is read alone is the one that is read in sequence: a quote
opens a quoted field only at the field's start, and a doubled quote within it is a quote.
Source: RFC 4180, section 2.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import lru_cache

import numpy as np

from whence.sources.source import Int64Array

_NEWLINE = 10
_WHITE_SPACE = b" \t\n\r\v\f"
_LINE_ENDS = b"\r\n"


class Frame(ABC):
    """The complete rows at the beginning of some bytes; each ends with a newline."""

    used: int

    @abstractmethod
    def rows(self) -> list[bytes]:
        """Cut out the rows, without the newline that ends them."""

    @abstractmethod
    def starts(self) -> Int64Array:
        """Find where the rows start."""


class Lines(Frame):
    """Each line is a row, the empty ones too."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.used = data.rfind(b"\n") + 1

    def rows(self) -> list[bytes]:
        """Split at the newlines; a carriage return before one belongs to it."""
        if not self.used:
            return []
        rows = self._data[: self.used - 1].split(b"\n")
        if b"\r" in self._data:
            rows = [row.removesuffix(b"\r") for row in rows]
        return rows

    def starts(self) -> Int64Array:
        """Find the places after the newlines."""
        content = np.frombuffer(self._data, np.uint8, self.used)
        ends = np.flatnonzero(content == _NEWLINE).astype(np.int64)
        return np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1] + 1])


class FilledLines(Lines):
    """Each line is a row, unless there is nothing but white space in it."""

    def rows(self) -> list[bytes]:
        """Split at the newlines and leave out what is empty."""
        return [row for row in super().rows() if row and not row.isspace()]

    def starts(self) -> Int64Array:
        """Find the places after the newlines where something follows."""
        return _without_empty(self._data, super().starts(), _WHITE_SPACE)


class Records(Frame):
    """Each CSV record is a row; newlines within quotes don't end it, and empty lines are none."""

    def __init__(self, data: bytes, delimiter: str) -> None:
        self._data = data
        self._spans: list[tuple[int, int]] | None = None
        if b'"' in data:
            self._spans, self.used = _quoted_spans(data, delimiter)
        else:
            self.used = data.rfind(b"\n") + 1

    def rows(self) -> list[bytes]:
        """Cut at the record ends; a carriage return stays, as within quotes it is content."""
        if self._spans is not None:
            return [self._data[start:stop] for start, stop in self._spans]
        return [row for row in self._data[: self.used].split(b"\n") if row.strip(_LINE_ENDS)]

    def starts(self) -> Int64Array:
        """Find the places where records start."""
        if self._spans is not None:
            return np.array([start for start, _ in self._spans], np.int64)
        return _without_empty(self._data, Lines(self._data).starts(), _LINE_ENDS)


def _without_empty(data: bytes, starts: Int64Array, blanks: bytes) -> Int64Array:
    """Leave out the lines that hold nothing but these bytes."""
    content = np.frombuffer(data, np.uint8)
    # Only a line that begins with one of them can be empty; few do, so these are looked at one by one.
    empty = []
    for place in np.flatnonzero(np.isin(content[starts], np.frombuffer(blanks, np.uint8))).tolist():
        start = int(starts[place])
        if not data[start : data.index(b"\n", start)].strip(blanks):
            empty.append(place)
    return np.delete(starts, empty)


def _quoted_spans(data: bytes, delimiter: str) -> tuple[list[tuple[int, int]], int]:
    """Find the records in data that hold quotes, and how far complete records go."""
    match = _record(delimiter).match
    spans = []
    start = 0
    while found := match(data, start):
        stop = found.end()
        row = data[start : stop - 1]
        if row.strip(_LINE_ENDS):
            spans.append((start, stop - 1))
        start = stop
    return spans, start


@lru_cache(maxsize=16)
def _record(delimiter: str) -> re.Pattern[bytes]:
    mark = re.escape(delimiter.encode())
    rest = rb"[^" + mark + rb"\n]*+"
    # Possessive throughout: nothing is tried twice, so an unclosed quote costs one pass and no more.
    field = rb'(?:"[^"]*+(?:""[^"]*+)*+"' + rest + rb'|(?!")' + rest + rb")"
    return re.compile(rb"(?:" + field + mark + rb")*+" + field + rb"\n")
