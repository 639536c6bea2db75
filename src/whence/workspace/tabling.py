"""Runs in a table, for those who compare them elsewhere; and what a search finds."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from whence.errors import MissingExtraError
from whence.query import all_columns, field_value, parse_columns
from whence.store import TIME_FIELDS, Place

if TYPE_CHECKING:
    import pandas as pd


class Found(NamedTuple):
    """A run that a search found: its summary, and the places where it mentions what was searched for."""

    summary: dict[str, Any]
    places: list[Place]


class RunTable(Sequence[dict[str, Any]]):
    """Runs in rows, their fields in columns: `name`, `params.lr`, `metrics.loss`; None where one has none.

    Args:
        columns: the names of the columns, in order.
        rows: the values by column, row by row.
    """

    def __init__(self, columns: list[str], rows: list[dict[str, Any]]) -> None:
        self.columns = columns
        self._rows = rows

    @classmethod
    def of(cls, summaries: Sequence[dict[str, Any]], columns: str | None = None) -> RunTable:
        """Put summaries in a table; raises `InputError` where the columns can't be read."""
        fields = all_columns(summaries) if columns is None else list(parse_columns(columns))
        rows = [{str(field): field_value(field, summary) for field in fields} for summary in summaries]
        return cls([str(field) for field in fields], rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"<{len(self)} runs, {len(self.columns)} columns>"

    def to_pandas(self) -> pd.DataFrame:
        """Make a data frame, with times as timestamps.

        Raises:
            MissingExtraError: pandas isn't installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ModuleNotFoundError as error:
            raise MissingExtraError("pandas", extra="pandas", need="to_pandas()") from error
        frame: pd.DataFrame = pandas.DataFrame(self._rows, columns=self.columns)
        for name in TIME_FIELDS:
            if name in frame:
                frame[name] = pandas.to_datetime(frame[name], utc=True, format="ISO8601")
        return frame
