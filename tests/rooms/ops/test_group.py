"""Groups: samples of one key together, in the order in which keys first come, whatever the memory allowed."""

from __future__ import annotations

import json
import math
import pathlib
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence as wh
from tests.rooms.ops.scanned import Scanned, pick, scan
from whence.errors import OpError, PlanError
from whence.ops import GroupColumns, GroupFunction, GroupSamples, restore_op
from whence.ops.aggregations import AGGREGATIONS, aggregated
from whence.streams import Grouped
from whence.vocab import Column, sample_digest

KEYS: dict[str, Any] = {
    "few": st.integers(0, 3),
    "many": st.integers(-(2**62), 2**62) | st.integers(0, 30),
    "floats": st.sampled_from([0.0, -0.0, 1.0, 1, 0.5, 2**53 + 1, 2.0**53]),
    "text": st.text("ab", max_size=2),
    "bools": st.booleans(),
}
VALUES: dict[str, Any] = {
    "ints": st.integers(-9, 9),
    "large": st.integers(-(2**63), 2**63 - 1),
    "larger": st.integers(-(2**70), 2**70),
    "floats": st.floats(allow_nan=True, allow_infinity=True, width=32),
    "halves": st.sampled_from([0.5, 1.5, -0.0, 0.0, 1e308, -1e308]),
    "gaps": st.none() | st.integers(-5, 5),
    "float_gaps": st.none() | st.floats(width=32),
    "mixed": st.integers(-5, 5) | st.floats(width=32) | st.booleans(),
    "bools": st.booleans() | st.none(),
    "numpy": st.integers(0, 5).map(np.int16) | st.integers(0, 5).map(np.float32),
    "nothing": st.none(),
    "unsigned": st.integers(2**62, 2**64 - 1).map(np.uint64),
}
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=3)
MEMORY = st.sampled_from([1, 300, 3_000, 1 << 30])


@st.composite
def rows_of(draw: st.DrawFn, *, most: int = 40) -> list[dict[str, Any]]:
    key = KEYS[draw(st.sampled_from(sorted(KEYS)))]
    value = VALUES[draw(st.sampled_from(sorted(VALUES)))]
    rows = draw(st.lists(st.fixed_dictionaries({"k": key, "v": value}), max_size=most))
    return [row | {"n": number} for number, row in enumerate(rows)]


def grouped(rows: list[dict[str, Any]], key: Callable[[Any], Any]) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def same(one: Any, other: Any) -> bool:
    """Equal to the bit and by type."""
    return sample_digest(one) == sample_digest(other) and repr(one) == repr(other)


def key_and_numbers(key: Any, samples: list[dict[str, Any]]) -> Any:
    return {"key": key, "n": [row["n"] for row in samples]}


def check_relation(found: Scanned, groups: list[list[dict[str, Any]]]) -> None:
    members = [[row["n"] for row in group] for group in groups]
    assert found.rows == [members]
    assert found.ids == found.origins == [group[0] for group in members]


@given(rows_of(), SIZES, MEMORY, st.booleans(), st.sampled_from(["k", ["k"], ["k", "v2"], "function"]))
def test_groups_are_those_of_a_dict_of_lists(
    rows: list[dict[str, Any]], sizes: list[int], memory: int, columns: bool, on: Any
) -> None:
    rows = [row | {"v2": "xyz"[row["n"] % 3]} for row in rows]
    key: Any = (lambda row: (row["n"] % 3, str(row["k"]))) if on == "function" else on
    by_hand: Callable[[Any], Any] = {
        "k": lambda row: row["k"],
        "['k']": lambda row: (row["k"],),
        "['k', 'v2']": lambda row: (row["k"], row["v2"]),
    }.get(str(on), key)
    groups = grouped(rows, by_hand)
    for op, expected in (
        (GroupSamples(key=key), list(groups.values())),
        (
            GroupFunction(key=key, fn=key_and_numbers),
            [key_and_numbers(by_hand(group[0]), group) for group in groups.values()],
        ),
    ):
        with wh.config(memory=memory):
            found = scan(op, rows, sizes=sizes, columns=columns)
        assert len(found.values) == len(expected)
        assert all(map(same, found.values, expected))
        check_relation(found, list(groups.values()))
        if expected:
            asked = [len(expected) - 1, 0, len(expected) - 1]
            again = pick(op, found, asked, rows, columns=columns)
            assert all(map(same, again.values, [expected[place] for place in asked]))
            assert again.ids.tolist() == [found.ids[place] for place in asked]


@settings(max_examples=300)
@given(rows_of(), SIZES, MEMORY, st.sampled_from(["k", ["k", "n2"], "function"]))
def test_aggregations_give_the_same_bits_on_both_roads_with_any_memory_and_of_a_group_alone(
    rows: list[dict[str, Any]], sizes: list[int], memory: int, on: Any
) -> None:
    rows = [row | {"n2": row["n"] % 2} for row in rows]
    key: Any = (lambda row: str(row["k"])) if on == "function" else on
    op = GroupColumns(key=key, columns={how: ("v", how) for how in AGGREGATIONS} | {"rows": "size"})
    with wh.config(memory=memory):
        as_rows = scan(op, rows, sizes=sizes, columns=False)
        as_columns = scan(op, rows, sizes=sizes[::-1], columns=True)
    assert as_rows.as_columns
    assert len(as_rows.values) == len(as_columns.values)
    assert all(map(same, as_rows.values, as_columns.values))
    assert as_rows.rows == as_columns.rows
    for place, members in enumerate(as_rows.rows[0]):
        alone = scan(op, [rows[member] for member in members])
        assert same(alone.values[0], as_rows.values[place])
        picked = pick(op, as_columns, [place], rows, columns=bool(place % 2))
        assert same(picked.values[0], as_rows.values[place])


def by_hand(how: str, values: list[Any]) -> Any:
    present = [value for value in values if value is not None and value == value]  # noqa: PLR0124 - NaN
    if how == "size":
        return len(values)
    if how == "count":
        return len(present)
    if how == "nunique":
        return len(set(present))
    if not present:
        return None
    plain: dict[str, Callable[[], Any]] = {
        "sum": lambda: sum(present),
        "mean": lambda: statistics.fmean(present),
        "median": lambda: float(statistics.median(present)),
        "min": lambda: min(present),
        "max": lambda: max(present),
        "std": lambda: float(statistics.stdev(present)) if len(present) > 1 else None,
        "var": lambda: float(statistics.variance(present)) if len(present) > 1 else None,
        "first": lambda: present[0],
        "last": lambda: present[-1],
        "any": lambda: any(present),
        "all": lambda: all(present),
    }
    return plain[how]()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.one_of(
                st.none(),
                st.integers(-100, 100),
                st.floats(-100, 100, allow_subnormal=False),
                st.just(math.nan),
            ),
        ),
        max_size=40,
    ),
    st.sampled_from(AGGREGATIONS),
)
def test_aggregations_are_what_their_names_say(pairs: list[tuple[int, Any]], how: str) -> None:
    rows = [{"k": key, "v": value} for key, value in pairs]
    found = wh.from_items(rows).group_by("k").aggregate(made=("v", how)).collect()
    groups = grouped(rows, lambda row: row["k"])
    assert [row["k"] for row in found] == list(groups)
    for row, group in zip(found, groups.values(), strict=True):
        expected = by_hand(how, [each["v"] for each in group])
        assert type(row["made"]) is type(expected)
        if isinstance(expected, float):
            assert row["made"] == pytest.approx(expected, rel=1e-9, abs=1e-9)
        else:
            assert row["made"] == expected


@pytest.mark.parametrize("how", [how for how in AGGREGATIONS if how not in ("any", "all")])
def test_aggregations_are_those_of_pandas(how: str) -> None:
    draws = np.random.default_rng(3)
    values = np.where(draws.random(5_000) < 0.1, np.nan, draws.normal(size=5_000))
    keys = draws.integers(0, 40, 5_000)
    rows = [{"k": key, "v": value} for key, value in zip(keys.tolist(), values.tolist(), strict=True)]
    expected = pd.DataFrame({"k": keys, "v": values}).groupby("k", sort=False)["v"].agg(how)
    found = wh.from_items(rows).group_by("k").aggregate(made=("v", how)).collect()
    assert [row["k"] for row in found] == expected.index.tolist()
    assert [row["made"] for row in found] == pytest.approx(expected.tolist())


def test_sums_of_whole_numbers_are_exact_and_values_are_handed_on_as_they_are() -> None:
    rows = [{"k": 1, "v": 2**62}, {"k": 1, "v": 2**62}, {"k": 2, "v": np.int8(5)}, {"k": 2, "v": True}]
    found = wh.from_items(rows).group_by("k")
    assert found.aggregate(s=("v", "sum"), f=("v", "first")).collect() == [
        {"k": 1, "s": 2**63, "f": 2**62},
        {"k": 2, "s": 6, "f": 5},
    ]
    firsts = found.aggregate(f=("v", "first"), m=("v", "max")).collect()
    assert type(firsts[1]["f"]) is np.int8


def test_text_has_a_first_a_smallest_and_a_number_of_different_ones_and_no_mean() -> None:
    rows = [{"k": 1, "v": "b"}, {"k": 1, "v": None}, {"k": 1, "v": "a"}, {"k": 1, "v": "b"}]
    stream = wh.from_items(rows, name="rows").group_by("k")
    assert stream.aggregate(
        f=("v", "first"), least=("v", "min"), different=("v", "nunique"), held=("v", "all")
    ).collect() == [{"k": 1, "f": "b", "least": "a", "different": 2, "held": True}]
    with pytest.raises(OpError, match=r"the group of 4 that begins with sample 0 \(rows, row 0\)") as caught:
        stream.aggregate(m=("v", "mean")).collect()
    assert "the mean of field 'v'" in caught.value.message
    assert "wanted numbers, got str" in caught.value.message
    assert caught.value.remedy


def test_arrays_have_a_first_and_a_last() -> None:
    rows = [{"k": number % 2, "v": np.full((2, 2), number)} for number in range(4)]
    found = wh.from_items(rows).group_by("k").aggregate(f=("v", "first"), z=("v", "last")).collect()
    assert [(int(row["f"][0, 0]), int(row["z"][0, 0])) for row in found] == [(0, 2), (1, 3)]


def test_an_empty_stream_has_no_groups() -> None:
    stream = wh.from_items([])
    assert stream.group_by("k").samples().collect() == []
    assert stream.group_by(["k", "l"]).aggregate(n="size").collect() == []
    assert stream.group_by(len).aggregate(key_and_numbers).collect() == []


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_of_no_groups_nothing_is_aggregated(how: str) -> None:
    # as when a sample is replayed that joined with none of them
    assert len(aggregated(how, Column(np.empty(0, np.int64)), np.zeros(1, np.int64))) == 0


def test_a_key_that_a_function_made_is_called_key() -> None:
    rows = [{"v": number} for number in range(5)]
    found = wh.from_items(rows).group_by(lambda row: (row["v"] % 2, "x")).aggregate(n="size").collect()
    assert found == [{"key": (0, "x"), "n": 3}, {"key": (1, "x"), "n": 2}]


# bad input


@pytest.mark.parametrize("memory", [1, 1 << 30])
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (None, "is None"),
        (math.nan, "is NaN"),
        ("x", "is text, and that of sample 0 is a number"),
        (True, "is a bool, and that of sample 0 is a number"),
        ([1], "unhashable type"),
    ],
)
def test_a_key_that_cannot_be_used_names_its_sample(bad: Any, words: str, memory: int) -> None:
    stream = wh.from_items([{"k": 1}, {"k": 2}, {"k": bad}, {"k": None}], name="rows")
    for made in (stream.group_by("k").samples(), stream.group_by(lambda row: row["k"]).aggregate(n="size")):
        with wh.config(memory=memory), pytest.raises(OpError, match=r"sample 2 \(rows, row 2\)") as caught:
            made.collect()
        assert words in caught.value.message
        assert caught.value.position == 2


@pytest.mark.parametrize("columns", [False, True])
def test_a_missing_field_names_the_sample(columns: bool) -> None:
    rows = [{"k": 1, "v": 1}, {"k": 1, "v": 2}]
    for key, field in (("k", "w"), ("w", "v")):
        with pytest.raises(OpError, match=r"sample 0 \(left, row 0\)") as caught:
            scan(GroupColumns(key=key, columns={"m": (field, "mean")}), rows, columns=columns)
        assert "'w'" in caught.value.message


@pytest.mark.parametrize("sizes", [(1,), (2,), (9,)])
def test_the_first_sample_at_fault_is_named_whatever_is_wrong_with_it(sizes: tuple[int, ...]) -> None:
    op = GroupColumns(key="k", columns={"m": ("v", "mean")})
    rows: list[Any] = [{"k": 1, "v": 1}, {"k": 1}, {"k": None, "v": 1}]
    with pytest.raises(OpError, match=r"sample 1 \(left, row 1\)"):
        scan(op, rows, sizes=sizes)
    with pytest.raises(OpError, match=r"sample 1 \(left, row 1\)"):
        scan(op, [rows[0], rows[2], rows[1]], sizes=sizes)


@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_a_group_that_the_function_fails_on_is_named_by_its_first_sample_not_by_its_key(memory: int) -> None:
    def fails(key: str, samples: list[Any]) -> Any:
        if key == "secret":
            raise ValueError("no")
        return key

    rows = [{"k": "a"}, {"k": "secret"}, {"k": "a"}, {"k": "secret"}]
    stream = wh.from_items(rows, name="rows").group_by("k").aggregate(fails)
    with (
        wh.config(memory=memory),
        pytest.raises(
            OpError, match=r"group of 2 that begins with sample 1 \(rows, row 1\): ValueError: no"
        ) as caught,
    ):
        stream.collect()
    assert "secret" not in str(caught.value)
    assert (caught.value.position, caught.value.origin) == (1, "rows, row 1")


def test_a_function_that_stops_the_loop_is_an_error() -> None:
    def stops(key: Any, samples: list[Any]) -> Any:
        raise StopIteration

    with pytest.raises(OpError, match="StopIteration"):
        wh.from_items([{"k": 1}]).group_by("k").aggregate(stops).collect()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda g: g.aggregate(), "nothing to make"),
        (lambda g: g.aggregate(3), "wanted a function"),
        (lambda g: g.aggregate(len, n="size"), "at once"),
        (lambda g: g.aggregate(m="mean"), "wanted a field and an aggregation"),
        (lambda g: g.aggregate(m=("v", len)), "wanted a field and an aggregation"),
        (lambda g: g.aggregate(m=("v", "middle")), "no aggregation 'middle'"),
        (lambda g: g.aggregate(k=("v", "mean")), "the key is called so already"),
    ],
)
def test_what_makes_nothing_of_a_group_is_refused(make: Callable[[Grouped[Any]], Any], words: str) -> None:
    with pytest.raises(PlanError, match=words) as caught:
        make(wh.from_items([]).group_by("k"))
    assert caught.value.remedy


def test_the_name_of_a_made_key_is_taken() -> None:
    with pytest.raises(PlanError, match="the key is called so already"):
        wh.from_items([]).group_by(len).aggregate(key="size")


@pytest.mark.parametrize("key", [None, 3, [], ["a", "a"]])
def test_a_key_that_is_none_is_refused(key: Any) -> None:
    with pytest.raises(PlanError, match=r"group_by\(key\)"):
        wh.from_items([]).group_by(key)


# the record


@pytest.mark.parametrize("memory", [1, 1 << 30])
@pytest.mark.parametrize("form", ["samples", "function", "columns"])
def test_groups_are_followed_both_ways_and_made_again(tmp_path: pathlib.Path, form: str, memory: int) -> None:
    rows = [{"k": number % 3, "v": number / 4} for number in range(20)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    by_key = wh.from_jsonl(tmp_path / "rows.jsonl", name="rows").filter(_is_odd_or_large).group_by("k")
    made: dict[str, Callable[[], Any]] = {
        "samples": by_key.samples,
        "function": lambda: by_key.aggregate(_total),
        "columns": lambda: by_key.aggregate(total=("v", "sum"), n="size"),
    }
    stream = made[form]()
    with wh.config(memory=memory), wh.start_run(workspace=tmp_path) as run:
        got = stream.collect()
    kept = [number for number in range(20) if _is_odd_or_large(rows[number])]
    members = grouped([{"k": number % 3, "n": number} for number in kept], lambda row: row["k"])
    for item, group in enumerate(members.values()):
        trace = run.trace(epoch=0, item=item)
        assert trace.complete
        assert [origin.row for origin in trace.origins] == [row["n"] for row in group]
        assert run.replay(epoch=0, item=item) == got[item]
        for row in group:
            impact = wh.open(tmp_path).impact("rows", rows=[row["n"]])
            assert [exposure.item for exposure in impact.exposures] == [item]


def test_items_of_groups_are_followed_one_by_one(tmp_path: pathlib.Path) -> None:
    rows = [{"k": "ab"[number % 2], "n": number} for number in range(6)]
    with wh.start_run(workspace=tmp_path) as run:
        got = wh.from_items(rows, name="rows").group_by("k").samples().unbatch().collect()
    assert [row["n"] for row in got] == [0, 2, 4, 1, 3, 5]
    for item, row in enumerate(got):
        assert [origin.row for origin in run.trace(epoch=0, item=item).origins] == [row["n"]]
        exposures = wh.open(tmp_path).impact("rows", rows=[row["n"]]).exposures
        assert [exposure.item for exposure in exposures] == [item]


def test_groups_that_were_not_asked_for_are_no_drops(tmp_path: pathlib.Path) -> None:
    rows = [{"k": number // 2} for number in range(80_000)]
    with wh.start_run(workspace=tmp_path):
        wh.from_items(rows, name="rows").group_by("k").samples().take(1).collect()
    impact = wh.open(tmp_path).impact("rows", rows=[79_999])
    assert (impact.drops, impact.count) == ([], 0)
    assert impact.unreached


@pytest.mark.parametrize(
    "op",
    [
        GroupSamples(label="g", key=("a", "b")),
        GroupFunction(label="g", key="a", fn=key_and_numbers),
        GroupColumns(label="g", key=len, columns={"m": ("v", "mean"), "a": "size"}),
    ],
)
def test_an_op_is_made_again_out_of_its_record(op: Any) -> None:
    assert restore_op(op.kind, op.label, op.parameters(), op.functions()) == op


def _is_odd_or_large(row: dict[str, Any]) -> bool:
    return bool(row["v"] * 4 % 2 or row["v"] > 3)


def _total(key: int, samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {"key": key, "total": math.fsum(row["v"] for row in samples)}
