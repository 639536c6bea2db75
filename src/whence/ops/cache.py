"""Cache: what lies below is made once, and kept for every later reading."""

from __future__ import annotations

import threading
import zlib
from array import array
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from whence.capture import memory_budget_bytes
from whence.lineage import Identity
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.kept import Kept
from whence.ops.op import Context, Fetch, Input, Op, Recorded
from whence.ops.spill import Spill
from whence.ops.split import ids_apart

_NOTES_SHARE = 4


class CacheStore:
    """What caches at one place of a stream hold, as long as the stream lives, in this process.

    A plan may use the same cached stream in several places; where what lies below is the same in all that
    decides its samples, they share what was kept.
    """

    def __init__(self) -> None:
        self._filled: dict[Hashable, Filled] = {}
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> Filled | None:
        """What was kept of a complete reading; None before there was one."""
        return self._filled.get(key)

    def publish(self, key: Hashable, filled: Filled) -> None:
        """Give out what was kept; of two readings at once the first to be complete counts."""
        with self._lock:
            self._filled.setdefault(key, filled)

    def __reduce__(self) -> Any:
        return CacheStore, ()  # another process fills its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache(Op):
    """Keep all samples when they are first read through; later readings get copies of what was kept, 1 -> 1.

    What lies below is made as in epoch 0, whichever epoch is read, and so a cached augmentation is the same
    in all of them. A reading that is left half-way keeps nothing. What follows can be read at any position
    and again, also if the source can be read only once. It is kept in memory, beyond the memory allowed on
    disk, as long as the stream and what was made of it live in this process; a changed file isn't noticed
    before. Each reading leaves the record that making everything again would have left.
    """

    kind: ClassVar[str] = "cache"
    keeps: ClassVar[bool] = True

    store: CacheStore = field(default_factory=CacheStore, repr=False, compare=False)

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Each sample is the one below."""
        return [Identity(sizes[0])]

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Hand samples on; keeping them is the engine's business, which knows what else lies below."""
        for chunk in inputs[0].scan():
            yield chunk.with_ids(ids_apart(chunk.ids, context.sources_before))

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make samples again, without what was kept."""
        chunk = fetch(0, positions)
        return chunk.with_ids(ids_apart(chunk.ids, context.sources_before))


class Filled:
    """What was kept of one reading: the samples, and beside each chunk of them a note.

    Args:
        label: of the op.
        name_origin: says in words where a sample came from.
    """

    def __init__(self, *, label: str, name_origin: Callable[[int], str]) -> None:
        self.kept = Kept(label=label, name_origin=name_origin)
        self._ends = array("q")
        self._notes: list[bytes] = []
        self._left_bytes = memory_budget_bytes() // _NOTES_SHARE
        self._spill = Spill(label=label, name_origin=name_origin)

    @property
    def note_count(self) -> int:
        """How many notes there are."""
        return len(self._ends)

    def add(self, chunk: Chunk, note: bytes) -> None:
        """Keep samples, none perhaps, and what is to be known before they are given."""
        self.kept.add(chunk)
        self._ends.append(len(self.kept))
        packed = zlib.compress(note, 1)
        if self._left_bytes > 0 and not len(self._spill):
            self._left_bytes -= len(packed)
            self._notes.append(packed)
        else:
            self._spill.add_bytes(packed)

    def note(self, number: int) -> bytes:
        """Read a note."""
        kept = len(self._notes)
        packed = self._notes[number] if number < kept else self._spill.read_bytes(number - kept)
        return zlib.decompress(packed)

    def end_of(self, number: int) -> int:
        """The position after the samples that a note belongs to."""
        return self._ends[number]

    def close(self) -> None:
        """Let everything go."""
        self.kept.close()
        self._spill.close()
