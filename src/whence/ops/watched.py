"""Watched: which samples of a stream another program handed out, in the order in which it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from whence.errors import PlanError
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk
from whence.ops.op import Context, Input, MappingKind, Op, Recorded, related_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched(Op):
    """Samples of a stream as somebody else's loader gave them: any of them, in any order, also twice.

    It is told of, and never run.
    """

    kind: ClassVar[str] = "watched"
    mapping_kind: ClassVar[MappingKind] = "relation"

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Which sample each was, as recorded."""
        return related_of(recorded, sizes)

    def reason(self) -> str:
        """Why a sample wasn't received."""
        return "the loader didn't hand it out"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Refuse: only the loader has the order."""
        raise PlanError(
            "what a loader handed out can't be read again as a stream",
            remedy="Read the stream that was watched.",
        )
