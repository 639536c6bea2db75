"""Caches as a pass meets them: filled by it, or read instead of what lies below.

What lies below a cache is evaluated apart, as epoch 0. A relay hears what it decides, and notes it beside
the samples, so that whoever is given these later is told the same.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable, Iterator
from typing import Any, cast

import numpy as np

from whence.capture import MARK, NodeRecorder, PassRecorder, RelayPass, Told, retell
from whence.ops import Cache, Chunk, Filled, ids_apart
from whence.streams.plan import SOURCE_BITS, Program

_GIVEN_ROWS = 1024


class CachedStep:
    """One cache of a program during one pass.

    Args:
        program: the program.
        index: the cache's step.
        recorder: listens to the pass.
        tell_rows: is told how many rows a source, by its step, is known to have.
        below: makes what lies below, chunk by chunk, for a recorder of its own.
        name_origin: says in words where a sample came from.
    """

    def __init__(
        self,
        program: Program,
        index: int,
        *,
        recorder: PassRecorder,
        tell_rows: Callable[[int, int], None],
        below: Callable[[PassRecorder], Iterator[Chunk]],
        name_origin: Callable[[int], str],
    ) -> None:
        op = program.steps[index].node.op
        if not isinstance(op, Cache):
            raise AssertionError("only a cache is a cached step")
        self._op = op
        self._program = program
        self._recorder = recorder
        self._tell_rows = tell_rows
        self._below = below
        self._name_origin = name_origin
        self._steps = program.below(index)
        self._places = {step: place for place, step in enumerate(self._steps)}
        self._sources_before = program.draw_numbers()[index]
        self._source_number = min(number for _, number in self._sources())
        self._key = self._key_of()
        self._rows: dict[int, int] = {}
        self._told_count = 0
        self._filled: Filled | None = None
        self._filling: Iterator[Chunk] | None = None

    @property
    def is_filled(self) -> bool:
        """Whether all of it can be read without making anything."""
        return self._op.store.find(self._key) is not None

    def scan(self) -> Iterator[Chunk]:
        """Give all samples in order, and keep them if they aren't yet."""
        filled = self._begun()
        at = number = 0
        while True:
            size = len(filled.kept)
            if at == size:
                chunk = self._next()
                if chunk is None:
                    break
                at = len(filled.kept)
                yield self._given(chunk)
                continue
            if self._filling is not None:
                filled.kept.finish()  # as far as it has come
            stop = min(at + _GIVEN_ROWS, size)
            while filled.end_of(number) < stop:  # whatever decided about these samples is told before them
                number += 1
            self._tell(filled, number + 1)
            yield self._given(filled.kept.pick(np.arange(at, stop, dtype=np.int64)))
            at = stop
        self._tell(filled, filled.note_count)

    def size(self) -> int:
        """Count the samples; keeps them if they aren't yet."""
        return len(self._whole().kept)

    def pick(self, positions: Any) -> Chunk:
        """Give the samples at some positions; keeps all if they aren't yet."""
        return self._given(self._whole().kept.pick(positions))

    def close(self) -> None:
        """End the pass: what wasn't read through is let go."""
        if self._filled is not None and self._filled is not self._op.store.find(self._key):
            self._filled.close()
        self._filled = self._filling = None

    def _begun(self) -> Filled:
        """What is kept: by an earlier pass, or by this one as far as it has come."""
        if self._filled is None:
            self._filled = self._op.store.find(self._key)
            if self._filled is None:
                self._filled = Filled(label=self._op.label, name_origin=self._name_origin)
                self._filling = self._fill(self._filled)
        return self._filled

    def _next(self) -> Chunk | None:
        """Make the next samples and keep them; None where there are no more."""
        if self._filling is None:
            return None
        chunk = next(self._filling, None)
        if chunk is None:
            self._filling = None
        return chunk

    def _whole(self) -> Filled:
        """Keep all, and tell what decided about it; none may be picked, where there is none."""
        filled = self._begun()
        while self._next() is not None:
            pass
        self._tell(filled, filled.note_count)
        return filled

    def _fill(self, filled: Filled) -> Iterator[Chunk]:
        """Make what lies below, and keep it; chunks are as those of a program of its own."""
        relay = _BelowPass(
            items_at=self._program.items_at,
            with_outputs=True,
            quick_by_part={step: {} for step, _ in self._sources()},
        )
        for chunk in self._below(relay):
            chunk.origins = chunk.origins - np.int64(self._source_number << SOURCE_BITS)
            self._keep(filled, chunk, relay.take())
            yield chunk
        self._keep(filled, Chunk.empty(), relay.take())
        filled.kept.finish()
        self._op.store.publish(self._key, filled)

    def _keep(self, filled: Filled, chunk: Chunk, told: Told) -> None:
        filled.add(chunk, self._note_of(told))
        self._hear(told, filled.note_count)

    def _given(self, chunk: Chunk) -> Chunk:
        """Put samples, kept as those of a program of their own, into their place in this one."""
        moved = chunk.with_ids(ids_apart(chunk.ids, self._sources_before))
        moved.origins = chunk.origins + np.int64(self._source_number << SOURCE_BITS)
        return moved

    # the notes

    def _note_of(self, told: Told) -> bytes:
        """Write what was told, by places among the steps below; without times, which are spent once."""
        kept = [
            (self._places[step], what, (0, *words[1:]) if what == "spent" else words)
            for step, what, words in told
        ]
        return pickle.dumps(kept, protocol=5)

    def _tell(self, filled: Filled, count: int) -> None:
        """Tell the first so many notes, each once in a pass."""
        for number in range(self._told_count, count):
            told = pickle.loads(filled.note(number))
            self._hear([(self._steps[place], what, words) for place, what, words in told], number + 1)

    def _hear(self, told: Told, count: int) -> None:
        """Tell the recorder of this pass, which has then heard so many notes."""
        self._told_count = count
        others: Told = []
        for step, what, words in told:
            if what == "found_rows":
                self._rows[step] = self._rows.get(step, 0) + words[0]
                self._tell_rows(step, self._rows[step])
            else:
                others.append((step, what, words))
        retell(others, self._recorder, lambda _: MARK)  # positions are what they are

    def _sources(self) -> list[tuple[int, int]]:
        steps = self._program.steps
        return [(step, steps[step].source_number) for step in self._steps if steps[step].source_number >= 0]

    def _key_of(self) -> Hashable:
        """What decides which samples lie below, besides the ops: the keys of draws; and which are items."""
        items_at = self._program.items_at
        return (
            tuple(self._program.steps[step].key for step in self._steps),
            self._places.get(items_at),
        )


class _BelowPass(RelayPass):
    """Listens to what lies below a cache; to the numbers of rows too, which a worker's relay leaves out."""

    def node(self, index: int) -> NodeRecorder:
        """The listener for one node."""
        return cast("NodeRecorder", _WithRows(super().node(index), self, index))


class _WithRows:
    """A listener that hears of rows besides everything else."""

    def __init__(self, node: NodeRecorder, relay: RelayPass, index: int) -> None:
        self._node = node
        self._relay = relay
        self._index = index

    def found_rows(self, count: int) -> None:
        """Keep it."""
        self._relay.tell(self._index, "found_rows", count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)
