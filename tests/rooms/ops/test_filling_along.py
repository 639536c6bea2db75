"""What is missing is filled along the stream, and a filled sample says where its values were taken from."""

from __future__ import annotations

import datetime as dt
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.ops.pieces import assert_all_alike, given_as, outcomes, ways
from whence.capture import NullPass
from whence.errors import OpError
from whence.lineage import RelationIndex, encode_relation
from whence.ops import Context, FillAlong, Input
from whence.streams import Evaluation, Stream, compiled

CO2 = pathlib.Path(__file__).parents[2] / "data" / "co2-ppm-daily.csv"

nan = st.just(float("nan"))
numbers = st.none() | st.integers(-9, 9) | st.floats(-9, 9) | nan
anything = numbers | st.text("ab", max_size=2)
tables: Any = st.lists(
    st.fixed_dictionaries({"a": st.none() | numbers, "b": st.none() | numbers, "c": st.none() | anything}),
    min_size=1,
    max_size=14,
)
cuts = st.lists(st.integers(1, 13), max_size=4)
hows = st.dictionaries(
    st.sampled_from(["a", "b"]), st.sampled_from(["forward", "interpolate"]), max_size=2
).map(lambda found: found | {"c": "forward"})


def is_missing(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124 - only NaN isn't itself


def by_hand(rows: list[dict[str, Any]], how: dict[str, str]) -> tuple[list[dict[str, Any]], list[set[int]]]:
    """Fill in the slowest and plainest way, and say where each sample came from."""
    made = [dict(row) for row in rows]
    sources = [{place} for place in range(len(rows))]
    for name, way in how.items():
        known = [place for place, row in enumerate(rows) if not is_missing(row[name])]
        for place, row in enumerate(rows):
            if not is_missing(row[name]):
                if way == "interpolate":
                    made[place][name] = float(row[name])
                continue
            before = [each for each in known if each < place][-1:]
            after = [each for each in known if each > place][:1]
            if way == "forward" and before:
                made[place][name] = rows[before[0]][name]
                sources[place] |= set(before)
            elif way == "interpolate" and before and after:
                low, high = float(rows[before[0]][name]), float(rows[after[0]][name])
                share = (place - before[0]) / (after[0] - before[0])
                made[place][name] = low + (high - low) * share
                sources[place] |= {before[0], after[0]}
    return made, sources


@given(tables, cuts, hows)
def test_it_fills_as_by_hand_by_every_road(rows: Any, cut: list[int], how: dict[str, str]) -> None:
    streams = [stream.fill_missing(how) for stream in ways(rows, [each for each in cut if each < len(rows)])]
    found = outcomes(streams)
    assert_all_alike([*found, outcomes([wh.from_items(by_hand(rows, how)[0])])[0]])


class Told:
    """Keeps what the op says."""

    def __init__(self) -> None:
        self.rows: list[set[int]] = []
        self.notices: dict[str, int] = {}
        self.chunks: list[tuple[int, bytes]] = []

    def related(self, number: int, counts: Any, positions: Any) -> None:
        assert number == 0
        self.chunks.append((len(counts), encode_relation(counts, positions)[0]))
        ends = np.cumsum(counts)[:-1]
        for each in np.split(positions, ends):
            assert each.tolist() == sorted(set(each.tolist())), "ascending, each once"
            self.rows.append(set(each.tolist()))

    def noticed(self, what: str, count: int) -> None:
        self.notices[what] = self.notices.get(what, 0) + count

    def spent(self, ns: int, in_count: int, out_count: int) -> None:
        assert ns >= 0


def evaluated(stream: Stream) -> Evaluation:
    return Evaluation(compiled(stream), epoch=0, recorder=NullPass())


def scanned(stream: Stream, how: dict[str, Any]) -> tuple[FillAlong, list[Any], Told]:
    """Run the op by itself."""
    told = Told()
    op = FillAlong(label="fill", how=how)
    context = Context(recorder=told, key=0, epoch=0, name_origin=str)  # type: ignore[arg-type]  # what is needed
    given_input = Input(scan=evaluated(stream).scan, size=None, is_indexable=False)
    values = [value for chunk in op.scan([given_input], context) for value in chunk.values]
    return op, values, told


@given(tables, cuts, hows, st.booleans())
def test_a_filled_sample_came_from_itself_and_from_those_its_values_were_taken_of(
    rows: Any, cut: list[int], how: dict[str, str], columns: bool
) -> None:
    cut = [each for each in cut if each < len(rows)]
    _, _, told = scanned(given_as(rows, cut, columns=columns), how)
    made, sources = by_hand(rows, how)
    assert told.rows == sources
    left = {f"{name} left missing": sum(is_missing(row[name]) for row in made) for name in how}
    assert told.notices == {what: count for what, count in left.items() if count}


@given(tables, cuts, hows, st.booleans())
def test_any_filled_sample_is_made_again_of_those_that_it_came_from(
    rows: Any, cut: list[int], how: dict[str, str], columns: bool
) -> None:
    cut = [each for each in cut if each < len(rows)]
    stream = given_as(rows, cut, columns=columns)
    op, values, told = scanned(stream, how)
    index = RelationIndex(len(rows), [count for count, _ in told.chunks], [data for _, data in told.chunks])
    mapping = op.mappings([len(rows)], [index], 0, 0)
    context = Context(recorder=told, key=0, epoch=0, name_origin=str)  # type: ignore[arg-type]  # what is needed
    backwards = np.arange(len(rows), dtype=np.int64)[::-1]
    picked = op.pick(backwards, mapping, lambda _, below: evaluated(stream).pick(0, below), context)
    assert repr(picked.values) == repr(values[::-1])
    assert picked.ids.tolist() == backwards.tolist()


def daily() -> list[dict[str, Any]]:
    """The series with a row for every day: None where nothing was measured."""
    measured = {row["date"]: row["value"] for row in wh.from_csv(str(CO2), types={"date": str})}
    days = [dt.date.fromisoformat(day) for day in measured]
    span = (max(days) - min(days)).days + 1
    every = [(min(days) + dt.timedelta(days=number)).isoformat() for number in range(span)]
    return [{"date": day, "value": measured.get(day)} for day in every]


def test_a_series_with_gaps_is_filled_as_pandas_fills_it() -> None:
    rows = [{"date": "before", "value": None}, *daily(), {"date": "after", "value": None}]
    series = pd.Series([row["value"] for row in rows], dtype=float)
    assert series.isna().sum() > 200
    stream = wh.from_items(rows)
    found = [row["value"] for row in stream.fill_missing("value", "forward").collect()]
    np.testing.assert_array_equal(np.array(found, float), series.ffill().to_numpy())
    found = [row["value"] for row in stream.fill_missing("value", "interpolate").collect()]
    wanted = series.interpolate(limit_area="inside").to_numpy()
    np.testing.assert_allclose(np.array(found, float), wanted, rtol=1e-14)


def test_what_has_nothing_beside_it_stays_missing() -> None:
    rows = [{"a": None}, {"a": 1.0}, {"a": None}]
    assert wh.from_items(rows).fill_missing("a", "forward").collect() == [{"a": None}, {"a": 1.0}, {"a": 1.0}]
    assert wh.from_items(rows).fill_missing("a", "interpolate").collect() == rows
    assert wh.from_items(rows[:1]).fill_missing("a", "interpolate").collect() == rows[:1]


@pytest.mark.parametrize("columns", [False, True])
def test_between_what_is_no_number_there_is_no_line(columns: bool) -> None:
    rows = [{"a": 1.0}, {"a": None}, {"a": "x"}]
    with pytest.raises(
        OpError, match=r"sample 2 \(pieces, row 2\) has a value of type str in field 'a', wanted a number"
    ):
        given_as(rows, columns=columns).fill_missing("a", "interpolate").collect()
