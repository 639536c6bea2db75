"""The metrics of a run, read: what was logged point by point, and what it comes to."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whence.store import Columns, FoundPoints, Journal, Total, join_columns, read_points

SYSTEM = "system/"
"""What the keys of metrics begin with that are of the machine, and not of the training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All values of one metric: `step`, `value`, and `at` in nanoseconds since 1970 UTC, each shape (n,).

    `is_complete` is False where points of the run are damaged or missing, which may have been of this metric.
    """

    step: NDArray[np.int64]
    value: NDArray[np.float64]
    at: NDArray[np.int64]
    is_complete: bool = True


class RunMetrics:
    """The metrics of a run.

    Of a run that has ended its journal says what they come to; the points are read when they are asked for.

    Args:
        journal: the run's.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @functools.cached_property
    def keys(self) -> list[str]:
        """Their names, in the order in which they first came, those of the machine among them."""
        return list(dict.fromkeys([*self._earlier, *self.totals]))

    @functools.cached_property
    def last(self) -> dict[str, float]:
        """The last value of each that isn't of the machine."""
        earlier = {key: float(columns.value[-1]) for key, columns in self._earlier.items()}
        found = earlier | {key: total.last for key, total in self.totals.items()}
        return {key: found[key] for key in self.keys if not key.startswith(SYSTEM)}

    @functools.cached_property
    def totals(self) -> dict[str, Total]:
        """What their points come to; not what was logged as events, as it was once."""
        names = self._journal.metric_names
        if not names:
            return {}
        told = self._journal.metric_totals if self._journal.end is not None else None
        by_number = self._points.totals.by_key() if told is None else told
        return {name: by_number[number] for name, number in names.items() if number in by_number}

    @property
    def has_nameless(self) -> bool:
        """Whether there are some whose names were destroyed."""
        return any(event.redacted for event in self._journal.find("metric_key"))

    def histories(self, keys: Iterable[str]) -> dict[str, History]:
        """Give all values of metrics, in the order in which they were logged; of an unknown one none.

        Raises:
            DamagedError: what was packed can't be read.
        """
        names = self._journal.metric_names
        wanted = list(dict.fromkeys(keys))
        numbers = {key: names[key] for key in wanted if key in names}
        points = self._points.read(numbers.values()) if numbers else {}
        found = {}
        for key in wanted:
            parts = [self._earlier[key]] if key in self._earlier else []
            if key in numbers:
                parts.append(points[numbers[key]])
            step, value, at = join_columns(parts)
            is_complete = key not in numbers or not self._points.damages
            found[key] = History(step=step, value=value, at=at, is_complete=is_complete)
        return found

    @functools.cached_property
    def _earlier(self) -> dict[str, Columns]:
        """What was logged as events, one each, as it was before there were points."""
        rows: dict[str, list[tuple[int, float, int]]] = {}
        for event in self._journal.find("metric"):
            row = event.public["step"], event.public["value"], event.at_ns
            rows.setdefault(str(event.public["key"]), []).append(row)
        return {
            key: Columns(
                step=np.array([step for step, _, _ in found], np.int64),
                value=np.array([value for _, value, _ in found], np.float64),
                at=np.array([at for _, _, at in found], np.int64),
            )
            for key, found in rows.items()
        }

    @functools.cached_property
    def _points(self) -> FoundPoints:
        return read_points(self._journal.path)


class JoinedMetrics:
    """The metrics of a run and of its parts, as one.

    Args:
        several: those of the run first.
    """

    def __init__(self, several: Sequence[RunMetrics]) -> None:
        self._several = several

    @functools.cached_property
    def keys(self) -> list[str]:
        """Their names, in the order in which they first came in each, those of the machine among them."""
        return list(dict.fromkeys(key for each in self._several for key in each.keys))

    @functools.cached_property
    def last(self) -> dict[str, float]:
        """The last value of each that isn't of the machine: the one that was logged last."""
        first, *further = self._several
        found = dict(first.last)
        until = {key: total.until for key, total in first.totals.items()} if further else {}
        for each in further:
            for key, value in each.last.items():
                at = each.totals[key].until
                if at >= until.get(key, at):
                    found[key], until[key] = value, at
        return found

    @property
    def has_nameless(self) -> bool:
        """Whether there are some whose names were destroyed."""
        return any(each.has_nameless for each in self._several)

    def histories(self, keys: Iterable[str]) -> dict[str, History]:
        """Give all values of metrics, in the order of time where they were logged in several places."""
        wanted = list(keys)
        found = [each.histories(wanted) for each in self._several]
        return {key: _joined([each[key] for each in found]) for key in wanted}


def _joined(histories: Sequence[History]) -> History:
    if len(histories) == 1:
        return histories[0]
    step, value, at = (
        np.concatenate([getattr(each, name) for each in histories]) for name in ("step", "value", "at")
    )
    order = np.argsort(at, kind="stable")
    return History(
        step=step[order],
        value=value[order],
        at=at[order],
        is_complete=all(each.is_complete for each in histories),
    )
