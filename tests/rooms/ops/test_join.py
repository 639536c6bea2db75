"""Join: what nested loops over two lists give, on both roads and whatever the memory allowed."""

from __future__ import annotations

import json
import math
import pathlib
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
from whence.lineage import Related
from whence.ops import Join, draw_ids, restore_op
from whence.ops.combining import joined_ids
from whence.vocab import sample_digest

HOWS = ["inner", "left", "right", "outer", "semi", "anti"]
KEYS: list[st.SearchStrategy[Any]] = [
    st.integers(0, 4),
    st.integers(0, 3) | st.integers(-(2**62), 2**62),
    st.sampled_from([0.0, -0.0, 1.0, 1, 0.5, 2**53 + 1, 2.0**53, 2**70, 2.0**70]),
    st.text("ab", max_size=2),
    st.booleans(),
]
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=3)
MEMORY = st.sampled_from([1, 300, 3_000, 1 << 30])

Row = dict[str, Any]
Pair = tuple[Row | None, Row | None]


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    key = draw(st.sampled_from(KEYS))
    rows = st.lists(st.tuples(key, st.none() | st.integers(0, 9)), max_size=20)
    left = [{"k": k, "a": a, "n": n} for n, (k, a) in enumerate(draw(rows))]
    right = [{"b": -n, "k": k, "a": a, "m": n} for n, (k, a) in enumerate(draw(rows))]
    return left, right


def nested_loops(how: str, left: list[Row], right: list[Row], key: Callable[[Row], Any]) -> list[Pair]:
    """The pairs, by looking at each."""
    pairs: list[Pair] = []
    for one in left:
        matches = [other for other in right if key(other) == key(one)]
        pairs += [(one, other) for other in matches]
        if not matches and how in ("left", "outer"):
            pairs.append((one, None))
    if how in ("right", "outer"):
        keys = [key(one) for one in left]
        pairs += [(None, other) for other in right if key(other) not in keys]
    return pairs


def merged(pair: Pair, left: list[Row], right: list[Row], shared: set[str]) -> Row:
    """The row of a pair, by hand."""
    one, other = pair
    names = list(one or (left[0] if left else {}))
    made = dict(one) if one is not None else dict.fromkeys(names)
    for name in other or (right[0] if right else {}):
        value = None if other is None else other[name]
        if name in shared and name in names:
            if one is None:
                made[name] = value
        else:
            made[f"{name}_right" if name in names else name] = value
    return made


def same(one: Any, other: Any) -> bool:
    """Equal to the bit and by type, fields in order."""
    return sample_digest(one) == sample_digest(other) and repr(one) == repr(other)


def check_pairs(found: Scanned, pairs: list[Pair]) -> None:
    """Compare the record, the ids and the origins with the pairs."""
    assert found.rows[0] == [[] if one is None else [one["n"]] for one, _ in pairs]
    assert found.rows[1] == [[] if other is None else [other["m"]] for _, other in pairs]
    source = 1 << 48
    origins = [other["m"] | source if one is None and other else one["n"] for one, other in pairs]  # type: ignore[index]
    assert found.origins == origins
    assert len(set(found.ids)) == len(found.ids), "each has draws of its own"


@settings(max_examples=300)
@given(
    sides(),
    st.sampled_from(HOWS[:4]),
    SIZES,
    MEMORY,
    st.booleans(),
    st.sampled_from(["k", ["k"], "function", "function and field"]),
)
def test_rows_are_those_of_nested_loops(
    both: tuple[list[Row], list[Row]], how: Any, sizes: list[int], memory: int, columns: bool, on: Any
) -> None:
    left, right = both
    op = Join(on=on, how=how)
    if "function" in on:
        op = Join(on=lambda row: row["k"], right_on="k" if "field" in on else None, how=how)
    pairs = nested_loops(how, left, right, lambda row: row["k"])
    expected = [merged(pair, left, right, set() if "function" in on else {"k"}) for pair in pairs]
    with wh.config(memory=memory):
        found = scan(op, left, right, sizes=sizes, columns=columns)
    assert len(found.values) == len(expected)
    assert all(map(same, found.values, expected))
    check_pairs(found, pairs)
    if columns and memory == 1 << 30 and "function" not in on:
        assert found.as_columns, "no row was made"
    if expected:
        asked = [len(expected) - 1, 0, len(expected) // 2, 0]
        again = pick(op, found, asked, left, right, columns=columns)
        assert all(map(same, again.values, [expected[place] for place in asked]))
        assert again.ids.tolist() == [found.ids[place] for place in asked]
        assert again.origins.tolist() == [found.origins[place] for place in asked]
    check_ids(op, found)


def check_ids(op: Join, found: Scanned) -> None:
    """Compare draw ids with those computed from positions alone."""

    def below(number: int, positions: Any) -> Any:
        return (positions | (number << 48)).view(np.uint64)

    positions = np.arange(len(found.values))
    assert draw_ids(op, positions, found.mappings(), below).tolist() == found.ids


@given(sides(), st.sampled_from(HOWS[:4]), SIZES, MEMORY, st.booleans())
def test_a_function_is_given_both_sides_and_none_for_a_missing_one(
    both: tuple[list[Row], list[Row]], how: Any, sizes: list[int], memory: int, columns: bool
) -> None:
    left, right = both
    op = Join(on="k", how=how, combine=lambda one, other: [one, other])
    pairs = nested_loops(how, left, right, lambda row: row["k"])
    with wh.config(memory=memory):
        found = scan(op, left, right, sizes=sizes, columns=columns)
    assert all(map(same, found.values, map(list, pairs)))
    assert len(found.values) == len(pairs)
    check_pairs(found, pairs)
    if pairs:
        assert same(
            pick(op, found, [len(pairs) - 1], left, right, columns=columns).values[0], list(pairs[-1])
        )


@given(sides(), st.sampled_from(HOWS[4:]), SIZES, MEMORY, st.booleans())
def test_semi_and_anti_choose_left_samples_and_know_all_that_chose_them(
    both: tuple[list[Row], list[Row]], how: Any, sizes: list[int], memory: int, columns: bool
) -> None:
    left, right = both
    matches = [[other["m"] for other in right if other["k"] == one["k"]] for one in left]
    chosen = [place for place, found in enumerate(matches) if bool(found) == (how == "semi")]
    op = Join(on="k", how=how)
    with wh.config(memory=memory):
        found = scan(op, left, right, sizes=sizes, columns=columns)
    assert len(found.values) == len(chosen)
    assert all(map(same, found.values, [left[place] for place in chosen]))
    assert found.rows == [[[place] for place in chosen], [matches[place] for place in chosen]]
    assert found.ids == found.origins == chosen
    if chosen:
        assert same(pick(op, found, [0], left, right, columns=columns).values[0], left[chosen[0]])
    check_ids(op, found)


@pytest.mark.parametrize("memory", [1, 20_000, 1 << 30])
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("how", HOWS)
def test_many_matches_of_one_key_come_in_order(how: Any, columns: bool, memory: int) -> None:
    left = [{"k": number % 7, "n": number} for number in range(140)]
    right = [{"k": number % 3, "m": number} for number in range(1_500)]
    op = Join(on="k", how=how)
    with wh.config(memory=memory):
        found = scan(op, left, right, sizes=[50], columns=columns)
    pairs = nested_loops(how, left, right, lambda row: row["k"])
    if how == "semi":
        assert found.rows[1] == [
            [row["m"] for row in right if row["k"] == one["k"]] for one in left if one["k"] < 3
        ]
    elif how == "anti":
        assert found.rows[0] == [[one["n"]] for one in left if one["k"] >= 3]
    else:
        assert len(pairs) > 3 * 8192, "several pieces of one chunk"
        check_pairs(found, pairs)


@pytest.mark.parametrize("how", HOWS[:4])
@pytest.mark.parametrize("columns", [False, True])
def test_it_joins_as_pandas_does(how: Any, columns: bool) -> None:
    draws = np.random.default_rng(5)
    left = pd.DataFrame({"k": draws.integers(0, 60, 500), "a": draws.normal(size=500)})
    right = pd.DataFrame({"k": draws.integers(20, 80, 90), "a": draws.normal(size=90)})
    expected = left.merge(right, on="k", how=how, suffixes=("", "_right"))
    rows: list[list[Row]] = [frame.to_dict("records") for frame in (left, right)]
    found = pd.DataFrame(scan(Join(on="k", how=how), *rows, columns=columns).values)
    together = ["k", "a", "a_right"]
    assert list(found.columns) == together
    one = expected.sort_values(together).reset_index(drop=True)
    other = found.astype(expected.dtypes).sort_values(together).reset_index(drop=True)
    pd.testing.assert_frame_equal(one, other)


def test_several_fields_and_fields_of_other_names() -> None:
    left = [{"city": "a", "year": 1, "v": 1}, {"city": "b", "year": 2, "v": 2}]
    right = [{"town": "b", "year": 2, "w": 3}, {"town": "a", "year": 2, "w": 4}]
    stream = wh.from_items(left).join(
        wh.from_items(right), ["city", "year"], "outer", right_on=["town", "year"]
    )
    assert stream.collect() == [
        {"city": "a", "year": 1, "v": 1, "town": None, "w": None},
        {"city": "b", "year": 2, "v": 2, "town": "b", "w": 3},
        {"city": None, "year": 2, "v": None, "town": "a", "w": 4},
    ]


@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_samples_that_are_no_dicts_are_paired_up(memory: int) -> None:
    left, right = wh.from_items([1, 2, 2]), wh.from_items([2, 3, 2])
    with wh.config(memory=memory):
        assert left.join(right, on=abs, how="outer").collect() == [
            (1, None),
            *[(2, 2)] * 4,
            (None, 3),
        ]


def test_samples_of_ever_other_forms_are_merged_one_by_one() -> None:
    left: list[Row] = [{"k": 1, "a": 1}, {"k": 2}, {"k": 3, "b": 1}]
    right: list[Any] = [{"k": 1, "b": 2}, {"k": 3, "b": 3, "c": 4}, {"k": 9, "a": 5}]
    expected = [
        {"k": 1, "a": 1, "b": 2},
        {"k": 2, "b": None},
        {"k": 3, "b": 1, "b_right": 3, "c": 4},
        {"k": 9, "a": None, "a_right": 5},
    ]
    for memory in (1, 1 << 30):
        with wh.config(memory=memory):
            for columns in (False, True):
                found = scan(Join(on="k", how="outer"), left, right, sizes=[1], columns=columns)
                assert all(map(same, found.values, expected))
                again = pick(Join(on="k", how="outer"), found, range(4), left, right, columns=columns)
                assert all(map(same, again.values, expected))


@pytest.mark.parametrize("how", HOWS)
def test_empty_sides_join(how: str) -> None:
    rows, nothing = wh.from_items([{"k": 1, "a": 2}]), wh.from_items([])
    left_stays, right_stays = how in ("left", "outer", "anti"), how in ("right", "outer")
    assert rows.join(nothing, "k", how).collect() == [{"k": 1, "a": 2}] * left_stays  # type: ignore[arg-type]
    assert nothing.join(rows, "k", how).collect() == [{"k": 1, "a": 2}] * right_stays  # type: ignore[arg-type]
    assert nothing.join(nothing, "k", how).collect() == []  # type: ignore[arg-type]


@pytest.mark.parametrize("combine", [None, lambda one, other: (one, other)])
def test_a_sample_that_goes_with_several_is_not_shared_by_them(combine: Any) -> None:
    def spoil(pair: Any) -> Any:
        for each in pair if isinstance(pair, tuple) else [pair]:
            seen = dict(each)
            each["k"] = each["v"] = "spoilt"
        return seen

    rows = [{"k": 1, "v": number} for number in range(3)]
    stream = wh.from_items(rows).join(wh.from_items([dict(row) for row in rows]), "k", combine=combine)
    assert not any(row["k"] == "spoilt" for row in stream.map(spoil).collect())


def test_ids_of_pairs_differ_from_those_of_either_side() -> None:
    ids = np.arange(1_000, dtype=np.uint64)
    there, nothing = np.ones(1_000, np.bool_), np.zeros(1_000, np.bool_)
    found = [
        joined_ids(ids, ids[::-1], there, there),
        joined_ids(ids, ids, there, there),
        joined_ids(ids, ids, there, nothing),
        joined_ids(ids, ids, nothing, there),
    ]
    assert len(np.unique(np.concatenate(found))) == 4_000


# bad input


@pytest.mark.parametrize("memory", [1, 1 << 30])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (None, "is None"),
        (math.nan, "is NaN"),
        ([1], "unhashable type"),
        ("x", "is text, and that of sample 0 of the right side is a number"),
        (True, "is a bool, and that of sample 0 of the right side is a number"),
    ],
)
def test_a_key_that_cannot_be_used_names_its_sample_and_its_side(
    bad: Any, words: str, side: str, memory: int
) -> None:
    good, spoilt = [{"k": 1}, {"k": 2}, {"k": 3}], [{"k": 1}, {"k": bad}, {"k": None}]
    left, right = (spoilt, good) if side == "left" else (good, spoilt)
    stream = wh.from_items(left, name="lefts").join(wh.from_items(right, name="rights"), "k", "semi")
    with wh.config(memory=memory), pytest.raises(OpError, match=f"sample 1 of the {side} side") as caught:
        stream.collect()
    assert words in caught.value.message
    assert f"({side}s, row 1)" in caught.value.message
    assert (caught.value.position, caught.value.origin) == (1, f"{side}s, row 1")
    assert caught.value.remedy


@pytest.mark.parametrize("columns", [False, True])
def test_a_missing_field_names_the_sample(columns: bool) -> None:
    for on, right_on, place in (("x", "k", "left"), ("k", "x", "right")):
        with pytest.raises(OpError, match=rf"sample 0 \({place}, row 0\): KeyError: 'x'"):
            scan(Join(on=on, right_on=right_on), [{"k": 1}], [{"k": 1}], columns=columns)


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("how", ["inner", "left", "right"])
def test_two_fields_of_one_name_are_refused(how: Any, columns: bool) -> None:
    left = [{"k": 1, "a": 1, "a_right": 1}] * (how != "right") + [{"k": 2, "a": 1, "a_right": 1}]
    right = [{"k": 3 if how == "left" else 1, "a": 1}]
    with pytest.raises(OpError, match="two fields 'a_right'") as caught:
        scan(Join(on="k", how=how), left, right, columns=columns)
    assert "combine" in caught.value.remedy
    assert caught.value.position == 0
    with pytest.raises(OpError, match="two fields 'b_right'"):
        scan(Join(on="k", how="left"), [{"k": 1, "b": 1}], [{"k": 1, "b_right": 1, "b": 2}], columns=columns)


@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_a_function_that_fails_names_the_sample(memory: int) -> None:
    def fails(one: Any, other: Any) -> Any:
        if one is None or one["v"] == 1:
            raise ValueError("no")
        return one

    left = wh.from_items([{"k": 1, "v": 0}, {"k": 1, "v": 1}], name="lefts")
    right = wh.from_items([{"k": 2}, {"k": 1}], name="rights")
    with wh.config(memory=memory):
        with pytest.raises(OpError, match=r"sample 1 \(lefts, row 1\): ValueError: no"):
            left.join(right, "k", combine=fails).collect()
        with pytest.raises(OpError, match=r"sample 0 \(rights, row 0\): ValueError: no"):
            left.take(1).join(right, "k", "right", combine=fails).collect()

    def stops(one: Any, other: Any) -> Any:
        raise StopIteration

    with pytest.raises(OpError, match="StopIteration"):
        left.join(right, "k", combine=stops).collect()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s: s.join([], "k"), "wanted a stream"),
        (lambda s: s.join(s, None), r"join\(on=...\)"),
        (lambda s: s.join(s, "k", right_on=[]), r"join\(right_on=...\)"),
        (lambda s: s.join(s, ["a", "b"], right_on="k"), "2 fields on the left, 1 on the right"),
        (lambda s: s.join(s, "k", "cross"), "wanted one of inner, left, right, outer, semi, anti"),
        (lambda s: s.join(s, "k", combine=3), "wanted a function"),
        (lambda s: s.join(s, "k", "semi", combine=max), "nothing to combine"),
    ],
)
def test_what_is_no_join_is_refused(make: Callable[[Any], Any], words: str) -> None:
    with pytest.raises(PlanError, match=words) as caught:
        make(wh.from_items([]))
    assert caught.value.remedy


# the record


LEFT = [{"k": number % 4, "a": number} for number in range(10)]
RIGHT = [{"k": number % 5 + 2, "a": number} for number in range(12)]


def _streams(folder: pathlib.Path) -> tuple[Any, Any]:
    found = []
    for name, rows in (("lefts", LEFT), ("rights", RIGHT)):
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        found.append(wh.from_jsonl(path, name=name))
    return found[0], found[1]


@pytest.mark.parametrize("combine", [None, max])
@pytest.mark.parametrize("memory", [1, 1 << 30])
@pytest.mark.parametrize("how", HOWS)
def test_joined_samples_are_followed_both_ways_and_made_again(
    tmp_path: pathlib.Path, how: Any, memory: int, combine: Any
) -> None:
    combine = None if how in ("semi", "anti") or combine is None else _both
    left, right = _streams(tmp_path)
    stream = left.filter(_not_first).join(right, "k", how, combine).map(_with_draw)
    with wh.config(memory=memory), wh.start_run(workspace=tmp_path) as run:
        got = stream.collect()
    lefts = [row | {"n": number} for number, row in enumerate(LEFT) if _not_first(row)]
    rights = [row | {"m": number} for number, row in enumerate(RIGHT)]
    places: dict[tuple[str, int], list[int]] = {}
    if how in ("semi", "anti"):
        origins = []
        for one in lefts:
            matches = [("rights", other["m"]) for other in rights if other["k"] == one["k"]]
            if bool(matches) == (how == "semi"):
                origins.append([("lefts", one["n"]), *matches])
    else:
        origins = [
            [("lefts", row["n"]) for row in (one,) if row] + [("rights", row["m"]) for row in (other,) if row]
            for one, other in nested_loops(how, lefts, rights, lambda row: row["k"])
        ]
    assert len(got) == len(origins) > 0
    for item, expected in enumerate(origins):
        trace = run.trace(epoch=0, item=item)
        assert trace.complete
        assert sorted((origin.source, origin.row) for origin in trace.origins) == expected
        assert run.replay(epoch=0, item=item) == got[item]
        for origin in expected:
            places.setdefault(origin, []).append(item)
    for name, rows in (("lefts", LEFT), ("rights", RIGHT)):
        for number, row in enumerate(rows):
            impact = wh.open(tmp_path).impact(name, rows=[number])
            assert [exposure.item for exposure in impact.exposures] == places.get((name, number), [])
            if name == "rights" or _not_first(row):
                reason = "has a match" if how == "anti" else "no match"
                was_dropped = (name, number) not in places
                assert [(drop.op, drop.reason) for drop in impact.drops] == [
                    ("join(k)", reason)
                ] * was_dropped


def test_items_of_what_a_semi_join_chose_are_followed_one_by_one(tmp_path: pathlib.Path) -> None:
    left = wh.from_items(range(9), name="lefts").batch(3)
    right = wh.from_items([12, 3, 3], name="rights")
    with wh.start_run(workspace=tmp_path) as run:
        got = left.join(right, on=_total, right_on=int, how="semi").unbatch().collect()
    assert got == [0, 1, 2, 3, 4, 5]
    for item, row in enumerate(got):
        origins = [(origin.source, origin.row) for origin in run.trace(epoch=0, item=item).origins]
        assert origins == [("lefts", row), *[("rights", place) for place in ([1, 2], [0])[item // 3]]]


def test_what_was_not_asked_for_is_no_drop(tmp_path: pathlib.Path) -> None:
    left = wh.from_items([{"k": number} for number in range(20_000)], name="lefts")
    right = wh.from_items([{"k": 19_999}, {"k": -1}, {"k": 0}], name="rights")
    with wh.start_run(workspace=tmp_path):
        left.join(right, "k", "outer").take(1).collect()
    workspace = wh.open(tmp_path)
    for name, row in (("lefts", 19_999), ("rights", 0), ("rights", 1)):
        impact = workspace.impact(name, rows=[row])
        assert (impact.drops, impact.count, bool(impact.unreached)) == ([], 0, True)


@pytest.mark.parametrize(
    "op",
    [
        Join(label="j", on="a", how="left"),
        Join(label="j", on=("a", "b"), right_on=("c", "d")),
        Join(label="j", on=len, right_on="c", how="outer", combine=max),
    ],
)
def test_an_op_is_made_again_out_of_its_record(op: Any) -> None:
    assert restore_op(op.kind, op.label, op.parameters(), op.functions()) == op
    assert all(isinstance(mapping, Related) for mapping in op.mappings([3, 4], None, 0, 0))


def _not_first(row: Row) -> bool:
    return bool(row["a"] != 0 or "b" in row)


def _both(one: Row | None, other: Row | None) -> Row:
    return {"one": one, "other": other}


def _with_draw(row: Row, *, rng: wh.Rng) -> Row:
    return row | {"draw": rng.random()}


def _total(batch: Any) -> int:
    return int(sum(batch))
