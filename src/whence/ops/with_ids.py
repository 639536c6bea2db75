"""With ids: each sample carries its position, so that it is known again wherever it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from whence.errors import PlanError
from whence.ops.chunk import Chunk
from whence.ops.fields import FieldOp, Fitted, Samples
from whence.vocab import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class WithIds(FieldOp):
    """Add to each dict sample its position in the stream, an integer, 1 -> 1.

    Args:
        field: what it is called; no sample may have it.
    """

    kind: ClassVar[str] = "with_ids"
    is_order_free: ClassVar[bool] = False

    field: str

    def __post_init__(self) -> None:
        if not isinstance(self.field, str) or not self.field:
            raise PlanError(
                f"with_ids({self.field!r:.40}): wanted the name of a field", remedy='Write "whence_id".'
            )

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"field": self.field}

    def apply(self, samples: Samples, fitted: Fitted) -> Chunk:
        """Add the positions."""
        samples.check_fields([])
        columns = samples.chunk.columns
        rows = [columns.by_name] if columns is not None else samples.chunk.values
        for index, row in enumerate(rows):
            if self.field in row:
                raise samples.wrong(
                    index, f"has a field {self.field!r} already", "Choose another name: with_ids(name)."
                )
        return samples.with_columns({self.field: Column(samples.positions)})
