"""Where data came from that is given to a training, as far as it was seen in this process.

Known are objects, as long as they live: what a stream gave as a whole in a run, the parts that a split made
of something, and what a fitted transformer made of something. Each is known by itself, a table of pandas by
its row labels too, since choosing columns makes another table with the very same labels. Rows are known
exactly; where all that is known are the labels of a table, they are recorded as labels, which proves nothing.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_LABELS = 32

Int64Array = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOrigin:
    """Where the rows of a table or array came from.

    Args:
        of: what they are rows of.
        rows: their positions there; None for all, in order.
        steps: what was done since, in order.
    """

    of: dict[str, Any]
    rows: Int64Array | None = None
    steps: tuple[dict[str, Any], ...] = field(default=())

    def chosen(self, rows: Int64Array, step: dict[str, Any]) -> DataOrigin:
        """The origin of some of the rows."""
        taken = rows if self.rows is None else self.rows[rows]
        return DataOrigin(of=self.of, rows=taken, steps=(*self.steps, step))

    def after(self, step: dict[str, Any]) -> DataOrigin:
        """The origin of what was made row by row."""
        return DataOrigin(of=self.of, rows=self.rows, steps=(*self.steps, step))


_by_object: dict[int, tuple[weakref.ref[Any], DataOrigin]] = {}
_by_labels: OrderedDict[int, tuple[Any, DataOrigin]] = OrderedDict()


def remember(value: Any, origin: DataOrigin) -> None:
    """Remember where something came from, as long as it lives."""
    key = id(value)
    try:
        known = weakref.ref(value, lambda _: _by_object.pop(key, None))
    except TypeError:  # a list
        return
    _by_object[key] = (known, origin)
    labels = _labels_of(value)
    if labels is not None:
        _by_labels[id(labels)] = (labels, origin)
        while len(_by_labels) > _MOST_LABELS:
            _by_labels.popitem(last=False)


def origin_of(value: Any) -> DataOrigin | None:
    """Find where something came from."""
    found = _by_object.get(id(value))
    if found is not None and found[0]() is value:
        return found[1]
    labels = _labels_of(value)
    if labels is None:
        return None
    return next((origin for known, origin in reversed(_by_labels.values()) if labels.is_(known)), None)


def labels_of(value: Any) -> dict[str, Any] | Int64Array | None:
    """The row labels of a table of pandas: a range as such, whole numbers as an array, None for others."""
    labels = _labels_of(value)
    if labels is None:
        return None
    if hasattr(labels, "step"):
        return {"start": int(labels.start), "stop": int(labels.stop), "step": int(labels.step)}
    values = np.asarray(labels)
    return values.astype(np.int64) if values.dtype.kind in "iu" and values.ndim == 1 else None


def _labels_of(value: Any) -> Any:
    if type(value).__module__.partition(".")[0] != "pandas":
        return None
    labels = getattr(value, "index", None)
    return labels if hasattr(labels, "is_") else None
