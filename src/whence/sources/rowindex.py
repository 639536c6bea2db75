"""Reading a file of rows piece by piece, and the sparse index by which any row is found.

Only every 16th row's place is kept: half a byte for each row, and at most 15 rows are passed over to
reach one. (Every 64th made reading at random three times slower where values are in quotes.) The index
also keeps the file's size and time of change, because places in a file that changed since would show
other rows as the ones that were asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO

import numpy as np

from whence.capture import SourceWitness
from whence.errors import SourceError
from whence.sources.framing import Frame
from whence.sources.source import Int64Array

GROUP_ROWS = 16
_BLOCK_BYTES = 1 << 20
_LONGEST_ROW_BYTES = 1 << 28
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Framing = Callable[[bytes], Frame]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Complete rows of a file, and where in the file they begin."""

    offset: int
    data: bytes
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class RowIndex:
    """Where every 16th row of a file starts.

    Args:
        rows: how many rows the file holds.
        places: where rows 0, 16, 32, … start.
        state: the file's size and time of change when it was read.
    """

    rows: int
    places: Int64Array
    state: tuple[int, int]

    def group(self, handle: FileIO, group: int) -> bytes:
        """Read the rows of one group of 16."""
        start = int(self.places[group])
        stop = int(self.places[group + 1]) if group + 1 < len(self.places) else self.state[0]
        handle.seek(start)
        return closed(read_exactly(handle, stop - start))


def state_of(handle: FileIO) -> tuple[int, int]:
    """Take the size and the time of change by which a changed file is known."""
    stat = os.fstat(handle.fileno())
    return stat.st_size, stat.st_mtime_ns


def read_pieces(
    handle: FileIO, framing: Framing, witness: SourceWitness, *, part: int, path: str
) -> Iterator[Piece]:
    """Read a file from its start, each piece told to the witness as it is read.

    Raises:
        SourceError: a row doesn't end, or is longer than 256 MiB.

    Cost: one pass; holds one block of 1 MiB, or one row where it is longer.
    """
    offset = 0
    rest = b""
    while block := handle.read(max(_BLOCK_BYTES, len(rest))):
        witness.piece(part, block)
        if not offset and not rest and block.startswith(_BYTE_ORDER_MARK):
            offset = len(_BYTE_ORDER_MARK)
            block = block[offset:]  # told to the witness, but no content
        data = rest + block
        frame = framing(data)
        if frame.used:
            yield Piece(offset=offset, data=data, frame=frame)
        offset += frame.used
        rest = data[frame.used :]
        if len(rest) > _LONGEST_ROW_BYTES:
            raise _endless(path, offset)
    if rest:
        frame = framing(closed(rest))
        if frame.used < len(rest):
            raise _endless(path, offset + frame.used)
        yield Piece(offset=offset, data=rest, frame=frame)


def closed(data: bytes) -> bytes:
    """Add the newline that the last line of a file may lack."""
    return data if data.endswith(b"\n") or not data else data + b"\n"


def read_exactly(handle: FileIO, count: int) -> bytes:
    """Read `count` bytes, or up to the end of the file."""
    data = handle.read(count)
    while len(data) < count and (more := handle.read(count - len(data))):
        data += more
    return data


class IndexMaker:
    """Gathers the places of every 16th row while the pieces of a file go by."""

    def __init__(self) -> None:
        self.rows = 0
        self._places: list[Int64Array] = []

    def add(self, offset: int, starts: Int64Array) -> None:
        """Add the rows of one piece, whose starts count from `offset`."""
        self._places.append(starts[-self.rows % GROUP_ROWS :: GROUP_ROWS] + offset)
        self.rows += len(starts)

    def index(self, state: tuple[int, int]) -> RowIndex:
        """Make the index of a file that was read to its end."""
        places = np.concatenate(self._places) if self._places else np.zeros(0, np.int64)
        return RowIndex(rows=self.rows, places=places, state=state)


def line_at(path: str, offset: int) -> int:
    """Count on which line an offset lies, from 1; only an error needs it, so it reads the file again."""
    line = 1
    with FileIO(path) as handle:
        while offset > 0 and (block := handle.read(min(_BLOCK_BYTES, offset))):
            line += block.count(b"\n")
            offset -= len(block)
    return line


def _endless(path: str, offset: int) -> SourceError:
    line = line_at(path, offset)
    return SourceError(
        f"{path}, line {line}: the row that begins here does not end",
        remedy="Look for a quote that is opened and never closed, or a file that isn't text.",
        place=f"{path}:{line}",
    )
