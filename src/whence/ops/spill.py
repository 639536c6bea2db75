"""Spill: blocks of samples in a temporary file, for operations that put aside more than memory holds.

The file has no name, so that it is gone with the process however that ends, and nobody else can read or
change it. Samples are spelled by `pickle`: they come back as they were, and one that can't be pickled is
an error that names it. Every block is checked when it is read.
"""

from __future__ import annotations

import errno
import os
import pickle
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from whence.errors import DamagedError, OpError, StoreError, StoreFullError
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.footprint import footprint
from whence.vocab import fast64

BLOCK_ROWS = 1024
BLOCK_BYTES = 1 << 20

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Block(NamedTuple):
    """Some samples put aside together.

    Args:
        chunk: the samples.
        positions: of each in the op's input, shape (n,).
        beside: what the op keeps beside each sample: arrays of n rows.
    """

    chunk: Chunk
    positions: Int64Array
    beside: tuple[NDArray[Any], ...] = ()

    def taken(self, which: Any) -> Block:
        """Some of the samples: by mask, by positions or by slice."""
        return Block(
            self.chunk.taken(which), self.positions[which], tuple(each[which] for each in self.beside)
        )

    @classmethod
    def joined(cls, blocks: Sequence[Block]) -> Block:
        """Several, one after the other; at least one."""
        if len(blocks) == 1:
            return blocks[0]
        return cls(
            Chunk.joined([block.chunk for block in blocks]),
            np.concatenate([block.positions for block in blocks]),
            tuple(np.concatenate(parts) for parts in zip(*(block.beside for block in blocks), strict=True)),
        )

    def cut(self) -> Iterator[Block]:
        """Cut it into blocks of a size to be read at once: 1,024 samples, or fewer large ones."""
        count = len(self.chunk)
        weight = footprint(self.chunk)
        rows = max(1, min(BLOCK_ROWS, BLOCK_BYTES * count // max(1, weight)))
        for start in range(0, count, rows):
            yield self if rows >= count else self.taken(slice(start, start + rows))


class Spill:
    """Blocks in a temporary file, to be read in any order, by several threads at once.

    Args:
        label: of the op that puts samples aside; named in errors.
        name_origin: says in words where a sample came from.
    """

    def __init__(self, *, label: str, name_origin: Callable[[int], str]) -> None:
        self._label = label
        self._name_origin = name_origin
        self._file: BinaryIO | None = None
        self._closing: Callable[[], Any] | None = None
        self._starts = array("q", [0])
        self._digests = array("Q")

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def size_bytes(self) -> int:
        """How much was written."""
        return self._starts[-1]

    def add(self, block: Block) -> int:
        """Put a block aside.

        Returns:
            Its number.

        Raises:
            OpError: a sample can't be pickled.
            StoreFullError: the folder for temporary files is full.
            StoreError: it can't be written.
        """
        return self.add_bytes(self._spelled(block))

    def read(self, number: int) -> Block:
        """Read a block.

        Raises:
            DamagedError: it isn't what was written.
            OpError: a sample refuses to be unpickled.
            StoreError: it can't be read.
        """
        return self._unspelled(self.read_bytes(number))

    def add_bytes(self, data: bytes) -> int:
        """Put bytes aside as a block of their own; returns and raises what `add` does."""
        with explained_spill(self._label, "written"):
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="whence-", buffering=0)  # noqa: SIM115 - closed by close
                self._closing = weakref.finalize(self, self._file.close)
            view, at = memoryview(data), self._starts[-1]
            while view:
                done = os.pwrite(self._file.fileno(), view, at)
                view, at = view[done:], at + done
        self._starts.append(at)
        self._digests.append(fast64(data))
        return len(self._digests) - 1

    def read_bytes(self, number: int) -> bytes:
        """Read a block as it was written; raises what `read` does."""
        if self._file is None:
            raise AssertionError("a block is read after the file was closed, or before any was written")
        start, end = self._starts[number], self._starts[number + 1]
        parts: list[bytes] = []
        with explained_spill(self._label, "read"):
            while start < end:
                part = os.pread(self._file.fileno(), end - start, start)
                if not part:
                    break
                parts.append(part)
                start += len(part)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if fast64(data) != self._digests[number]:
            raise DamagedError(
                f"op {self._label!r}: block {number} of its temporary file in {_folder()} "
                "isn't what was written",
                remedy="Check that disk, or choose another folder by TMPDIR, and read the stream again.",
                place=_folder(),
            )
        return data

    def close(self) -> None:
        """Give the disk's space back."""
        if self._closing is not None:
            self._closing()
        self._file = self._closing = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spelled(self, block: Block) -> bytes:
        chunk = block.chunk
        content = chunk.values if chunk.columns is None else chunk.columns
        whole = (content, chunk.ids, chunk.origins, block.positions, block.beside)
        try:
            return pickle.dumps(whole, protocol=5)
        except Exception as error:  # any type may refuse in its own way
            if isinstance(error, MemoryError):
                raise
            self.refuse_unpicklable(block)
            raise OpError(
                f"op {self._label!r}: keys of samples can't be put aside on disk, as the memory allowed is "
                f"full: {type(error).__name__}: {error}",
                remedy="Make keys of numbers or text, or allow more memory: "
                'wh.config(memory="8GB"), for example.',
                op=self._label,
            ) from error

    def _unspelled(self, data: bytes) -> Block:
        try:
            content, ids, origins, positions, beside = pickle.loads(data)
        except Exception as error:  # any type may refuse in its own way
            raise unreadable(self._label, error) from error
        chunk = (
            Chunk(content, ids, origins)
            if isinstance(content, list)
            else Chunk.of_columns(content, ids, origins)
        )
        return Block(chunk, positions, beside)

    def refuse_unpicklable(self, block: Block) -> None:
        """Name the first sample of a block that can't be pickled.

        Raises:
            OpError: there is one.
        """
        for place, value in enumerate(block.chunk.values):
            try:
                pickle.dumps(value, protocol=5)
            except Exception as refusal:
                position = int(block.positions[place])
                origin = self._name_origin(int(block.chunk.origins[place]))
                raise OpError(
                    f"op {self._label!r}: sample {position} ({origin}) can't be put aside on disk, as the "
                    f"memory allowed is full: {type(refusal).__name__}: {refusal}",
                    remedy="Make a sample that can be pickled of it before, by a map, or allow more memory: "
                    'wh.config(memory="8GB"), for example.',
                    op=self._label,
                    position=position,
                    origin=origin,
                ) from refusal


@contextmanager
def explained_spill(label: str, done: str) -> Iterator[None]:
    """Turn the system's errors about an op's temporary file into ours.

    Args:
        label: of the op.
        done: what is done to the file: written or read.

    Raises:
        StoreFullError: no space, quota or file-size limit.
        StoreError: anything else the system says.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFullError(
                f"op {label!r}: no space left in the folder for temporary files, {_folder()} "
                f"({error.strerror})",
                remedy="Free some space there, set TMPDIR to a folder with more, "
                'or allow more memory: wh.config(memory="8GB"), for example.',
            ) from error
        raise StoreError(
            f"op {label!r}: its temporary file in {_folder()} can't be {done} ({error.strerror or error})",
            remedy="Check the disk, or set TMPDIR to another folder.",
        ) from error


class Partitions:
    """Samples spread over parts, in memory first and then on disk; each part keeps their order.

    Args:
        count: how many parts.
        budget_bytes: how much of all parts together may be kept in memory, as estimated.
        label: of the op that puts samples aside.
        name_origin: says in words where a sample came from.
    """

    def __init__(
        self, count: int, *, budget_bytes: int, label: str, name_origin: Callable[[int], str]
    ) -> None:
        self._budget_bytes = budget_bytes
        self._spill = Spill(label=label, name_origin=name_origin)
        self._kept: list[list[Block]] = [[] for _ in range(count)]
        self._kept_bytes = [0] * count
        self._blocks: list[array[int]] = [array("q") for _ in range(count)]
        self.rows = np.zeros(count, np.int64)
        """How many samples each part has."""
        self.weights_bytes = np.zeros(count, np.int64)
        """How much memory each part would take as a whole, as estimated."""

    @property
    def has_spilled(self) -> bool:
        """Whether any of it is on disk."""
        return len(self._spill) > 0

    def add(self, block: Block, parts: Int64Array) -> None:
        """Put samples aside, each in the part of the number given for it.

        Raises:
            OpError, StoreFullError, StoreError: as `Spill.add`.
        """
        order = np.argsort(parts, kind="stable")
        found, starts = np.unique(parts[order], return_index=True)
        for part, places in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            piece = block.taken(places)  # copies: a view would keep the arrays of all the other parts
            weight = footprint(piece.chunk) + _weight_beside(piece)
            self._kept[part].append(piece)
            self._kept_bytes[part] += weight
            self.rows[part] += len(piece.chunk)
            self.weights_bytes[part] += weight
        if sum(self._kept_bytes) > self._budget_bytes:
            self._make_room()

    def scan(self, part: int) -> Iterator[Block]:
        """Read a part in the order in which it was put aside."""
        for number in self._blocks[part]:
            yield self._spill.read(number)
        yield from self._kept[part]

    def release(self, part: int) -> None:
        """Forget a part that was read; the disk's space comes back when all is closed."""
        self._kept[part] = []
        self._kept_bytes[part] = 0

    def close(self) -> None:
        """Let everything go."""
        self._kept = []
        self._spill.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_room(self) -> None:
        """Write the largest parts out until half of the budget is free: many small writes cost the most."""
        left = sum(self._kept_bytes)
        for part in sorted(range(len(self._kept)), key=self._kept_bytes.__getitem__, reverse=True):
            if left <= self._budget_bytes // 2:
                return
            left -= self._kept_bytes[part]
            for block in gathered(self._kept[part]):
                self._blocks[part].append(self._spill.add(block))
            self.release(part)


def gathered(blocks: Iterable[Block]) -> Iterator[Block]:
    """Put small blocks together and cut large ones, to the size of those that are read at once."""
    waiting: list[Block] = []
    count = 0
    for block in blocks:
        waiting.append(block)
        count += len(block.chunk)
        if count >= BLOCK_ROWS:
            yield from Block.joined(waiting).cut()
            waiting, count = [], 0
    if count:
        yield from Block.joined(waiting).cut()


def unreadable(label: str, error: Exception) -> OpError:
    """Say that samples can't be unpickled."""
    return OpError(
        f"op {label!r}: samples that were put aside can't be read back: {type(error).__name__}: {error}",
        remedy="Make samples by a map before that pickle can write and read again.",
        op=label,
    )


def _weight_beside(block: Block) -> int:
    return block.positions.nbytes + sum(each.nbytes for each in block.beside)


def _folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return "TMPDIR"
