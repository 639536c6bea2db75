"""Dedup: keep the first of samples that are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from whence.errors import OpError, WhenceError
from whence.lineage import Mapping as Relation
from whence.ops.asking import Asking, Decide
from whence.ops.chunk import Chunk
from whence.ops.filter import selection_of
from whence.ops.op import Context, Function, MappingKind, Recorded, failed
from whence.vocab import content_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Dedup(Asking):
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

    def gists(
        self, chunk: Chunk, position: int, context: Context
    ) -> tuple[list[bytes], int, WhenceError | None]:
        """Key each sample by 16 bytes."""
        keys: list[bytes] = []
        try:
            for index, value in enumerate(chunk.values):
                keys.append(self._key_of(value, chunk, index, position + index, context))
        except WhenceError as error:
            return keys, len(keys), error
        return keys, len(keys), None

    def decider(self, context: Context) -> Decide:
        """Look each key up among those seen; memory grows with the number of different ones."""
        first_by_key: dict[bytes, int] = {}
        recorder = context.recorder
        position = context.first

        def decide(keys: list[bytes]) -> NDArray[np.bool_] | None:
            nonlocal position
            places = range(position, position + len(keys))
            firsts = np.fromiter(map(first_by_key.setdefault, keys, places), np.int64, len(keys))
            kept: NDArray[np.bool_] = firsts == np.arange(position, position + len(keys))
            position += len(keys)
            if kept.all():
                recorder.selected(None, len(keys))
                return None
            recorder.selected(kept, len(keys))
            recorder.duplicated(firsts[~kept])
            return kept

        return decide

    def settled(self, chunk: Chunk, verdict: NDArray[np.bool_] | None) -> Chunk:
        """Take the samples whose keys are new."""
        return chunk if verdict is None else chunk.taken(verdict)

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
