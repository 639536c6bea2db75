"""An array as a column of a source: it hands out its rows, and tells its content."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from whence import vocab
from whence.capture import SourceWitness
from whence.errors import SourceError
from whence.sources.source import Int64Array


class Column:
    """One array whose first dimension is the rows.

    Rows of one number each come as Python scalars, larger ones as views that can't be written, because
    an operation that changes its sample in place would change the source for the next epoch.
    """

    def __init__(self, values: Any, name: str) -> None:
        try:
            array = np.asarray(values)
        except (ValueError, TypeError) as error:
            raise SourceError(f"{name!r} can't be made one array: {error}", place=name) from error
        if not array.ndim:
            raise SourceError(
                f"{name!r} is a single value, where an array with a row for each sample was expected",
                remedy="Give one value for each sample.",
                place=name,
            )
        self._array = _unwritable(array.view())

    def __len__(self) -> int:
        return len(self._array)

    def __reduce__(self) -> tuple[Any, ...]:
        # An array comes writable out of a pickle; made anew, it can't be written in the other process either.
        return Column, (self._array, "")

    def __getitem__(self, position: int) -> Any:
        return self.between(position, position + 1).values()[0]

    def between(self, start: int, stop: int) -> vocab.Column:
        """Read the rows from `start` to `stop`."""
        rows = self._array[start:stop]
        if rows.ndim > 1 and not rows[0].flags.c_contiguous:  # what is computed of a row follows its layout
            rows = np.ascontiguousarray(rows)
        return vocab.Column(_unwritable(rows))

    def at(self, positions: Int64Array) -> vocab.Column:
        """Read the rows at these positions."""
        return vocab.Column(_unwritable(self._array.take(positions, axis=0)))

    def tell(self, part: int, witness: SourceWitness) -> None:
        """Tell the whole content, as objects where the array holds references to Python values."""
        if self._array.dtype.hasobject:
            witness.objects(part, 0, list(self._array))
        else:
            content = np.ascontiguousarray(self._array)
            witness.memory(part, 0, content.reshape(-1).view(np.uint8).data)

    def describe(self) -> dict[str, Any]:
        """Describe the type and the shape, without which the bytes mean nothing."""
        return {"dtype": self._array.dtype.str, "shape": list(self._array.shape)}


def _unwritable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array
