"""Dedup: keep the first of samples that are the same."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from whence.errors import OpError, WhenceError
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk
from whence.ops.filter import keep, selection_of
from whence.ops.op import Context, Function, Input, MappingKind, Op, Recorded, failed
from whence.vocab import content_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Dedup(Op):
    """Keep the first sample of each content or key, 1 -> 0 or 1; a dropped one names the one it repeats.

    Args:
        key: None compares whole samples by type and content (128-bit digests); a field's name or a
            function of a sample compares that.
    """

    kind: ClassVar[str] = "dedup"
    mapping_kind: ClassVar[MappingKind] = "selection"

    key: str | Function | None = None

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"key": self.key} if isinstance(self.key, str) else {}

    def functions(self) -> dict[str, Function]:
        """The user's key function, if there is one."""
        return {"key": self.key} if callable(self.key) else {}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """The samples that were kept."""
        return selection_of(recorded, sizes)

    def reason(self) -> str:
        """Why a sample is dropped here."""
        return "duplicate"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Look each sample up among those seen; memory grows with the number of different ones."""
        first_by_key: dict[bytes, int] = {}
        position = 0
        for chunk in inputs[0].scan():
            began = time.perf_counter_ns()
            size = len(chunk)
            kept = np.ones(size, np.bool_)
            witnesses: list[int] = []
            for index, value in enumerate(chunk.values):
                key = self._key_of(value, chunk, index, position + index, context)
                first = first_by_key.setdefault(key, position + index)
                if first != position + index:
                    kept[index] = False
                    witnesses.append(first)
            unique = keep(chunk, kept, context)
            if witnesses:
                context.recorder.duplicated(np.array(witnesses, np.int64))
            context.recorder.spent(time.perf_counter_ns() - began, size, len(unique))
            position += size
            if unique.values:
                yield unique

    def _key_of(self, value: Any, chunk: Chunk, index: int, position: int, context: Context) -> bytes:
        try:
            if self.key is None:
                found = value
            else:
                found = value[self.key] if isinstance(self.key, str) else self.key(value)
            key = content_key(found)
        except WhenceError:
            raise
        except Exception as error:
            raise failed(self, position, context.name_origin(int(chunk.origins[index])), error) from error
        if key is None:
            origin = context.name_origin(int(chunk.origins[index]))
            raise OpError(
                f"op {self.label!r}: sample {position} ({origin}) can't be compared: {type(found).__name__}",
                remedy="Pass dedup(key=...): a field, or a function that gives numbers, text or arrays.",
                op=self.label,
                position=position,
                origin=origin,
            )
        return key
