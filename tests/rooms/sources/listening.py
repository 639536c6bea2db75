"""A witness that keeps what it is told and refuses what no source may tell, and the folder of real data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from whence.capture.witness import Buffer
from whence.sources import Reader, Source
from whence.vocab import Columns

DATA = Path(__file__).parents[2] / "data"


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.wholes: list[tuple[int, bytes]] = []
        self.pieces: dict[int, bytes] = {}
        self.ended: dict[int, int] = {}
        self.blocks: dict[tuple[int, int], bytes] = {}
        self.values: dict[int, Any] = {}

    def whole(self, part: int, data: Buffer) -> None:
        self.wholes.append((part, bytes(data)))

    def piece(self, part: int, data: Buffer) -> None:
        assert part not in self.ended, "a part that has ended is told again"
        assert len(data) > 0
        self.pieces[part] = self.pieces.get(part, b"") + bytes(data)

    def end(self, part: int, rows: int) -> None:
        assert part not in self.ended, "a part has ended twice"
        self.ended[part] = rows

    def memory(self, part: int, first_row: int, data: Buffer) -> None:
        assert (part, first_row) not in self.blocks, "a part in memory is told twice"
        self.blocks[part, first_row] = bytes(data)

    def objects(self, part: int, first_row: int, values: list[Any], *, block_rows: int = 0) -> None:
        assert part == 0
        assert not block_rows or first_row % block_rows == 0, "a block begins within another one"
        for row, value in enumerate(values, first_row):
            assert row not in self.values, "a row is told twice"
            self.values[row] = value

    @property
    def memories(self) -> dict[int, bytes]:
        """What was told of parts that were told whole."""
        assert all(first_row == 0 for _, first_row in self.blocks)
        return {part: data for (part, _), data in self.blocks.items()}


def rows_of(samples: list[Any] | Columns) -> list[Any]:
    return samples.rows() if isinstance(samples, Columns) else samples


def read_all(reader: Reader, size: int = 7) -> list[Any]:
    """Read all samples in chunks of a size that nothing else is a multiple of."""
    samples = []
    for chunk in reader.chunks(lambda: size):
        assert 1 <= len(chunk) <= size
        samples += rows_of(chunk)
    return samples


def samples_of(source: Source) -> list[Any]:
    with source.open(Listener()) as reader:
        return read_all(reader)


def at(reader: Reader, *positions: int) -> list[Any]:
    return rows_of(reader.fetch(np.array(positions, np.int64)))
