"""Dedup: keep the first of samples that are the same."""

from __future__ import annotations

import operator
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
from whence.ops.seen import Seen
from whence.vocab import Column, Columns, content_key, content_keys


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
        """Key each sample by 16 bytes; columns stay columns unless a function makes what is compared."""
        columns, error = chunk.columns, None
        compared: Columns | Column | list[Any]
        if columns is not None and self.key is None:
            compared = columns
        elif columns is not None and isinstance(self.key, str) and self.key in columns.by_name:
            compared = columns.by_name[self.key]
        else:
            compared, error = self._made(chunk, position, context)
        keys = content_keys(compared)
        if keys is None:
            values = _as_values(compared)
            count = next(place for place, value in enumerate(values) if content_key(value) is None)
            error = self._without_content(values[count], chunk, count, position, context)
            keys = content_keys(values[:count]) or []
        return keys, len(keys), error

    def decider(self, context: Context) -> Decide:
        """Look each key up among those seen; 24 bytes are kept of each, in memory or on disk."""
        seen = Seen(label=self.label)
        recorder = context.recorder
        position = context.first

        def decide(keys: list[bytes]) -> NDArray[np.bool_] | None:
            nonlocal position
            firsts = seen.firsts(keys) + context.first
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

    def _made(self, chunk: Chunk, position: int, context: Context) -> tuple[list[Any], WhenceError | None]:
        """Make what is compared of each sample, up to the first one of which it can't be had."""
        key, values = self.key, chunk.values
        if key is None:
            return values, None
        made: list[Any] = []
        failure: Exception = StopIteration("raised by the function")  # which ends a loop without a word
        try:
            if isinstance(key, str):
                made.extend(map(operator.itemgetter(key), values))
            else:
                made.extend(context.recorder.watch("key").reading(key, values))
        except WhenceError as error:
            return made, error
        except Exception as error:  # any function may fail in its own way
            failure = error
        if len(made) == len(values):
            return made, None
        place = len(made)
        refused = failed(self, position + place, context.name_origin(int(chunk.origins[place])), failure)
        refused.__cause__ = failure
        return made, refused

    def _without_content(
        self, value: Any, chunk: Chunk, place: int, position: int, context: Context
    ) -> OpError:
        origin = context.name_origin(int(chunk.origins[place]))
        return OpError(
            f"op {self.label!r}: sample {position + place} ({origin}) can't be compared: "
            f"{type(value).__name__}",
            remedy="Pass dedup(key=...): a field, or a function that gives numbers, text or arrays.",
            op=self.label,
            position=position + place,
            origin=origin,
        )


def _as_values(compared: Columns | Column | list[Any]) -> list[Any]:
    if isinstance(compared, Columns):
        return compared.rows()
    return compared.values() if isinstance(compared, Column) else compared
