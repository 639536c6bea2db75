"""Keys: what samples are arranged by, the same out of rows and columns; what can't be one is refused."""

from __future__ import annotations

import datetime
import decimal
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.capture import NullPass
from whence.errors import OpError, PlanError
from whence.ops import Chunk, Context, Slice
from whence.ops.keys import KeyReader, Keys, Kinds, as_key, fields_of, problem_of
from whence.ops.numbering import first_places, numbering_of, ordered_by, spread
from whence.vocab import Columns

NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64]),
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, 1.0, 2.0**53, 2.0**63, -(2.0**63), 2.0**64, math.inf, 0.5]),
    st.sampled_from([np.int8(1), np.uint64(2**63), np.float32(0.5), np.int64(-1)]),
)
KINDS: list[st.SearchStrategy[Any]] = [
    NUMBERS,
    st.booleans() | st.booleans().map(np.bool_),
    st.text(max_size=2) | st.text(max_size=2).map(np.str_),
    st.binary(max_size=2),
    st.dates(max_value=datetime.date(1, 1, 3)),
    st.tuples(NUMBERS, st.text(max_size=1)),
    st.integers(0, 3).map(lambda day: np.datetime64(day, "D")),
    st.decimals(allow_nan=False, places=1, min_value=0, max_value=2),
]


def chunk_of(values: list[Any], *, columns: bool) -> Chunk:
    rows = [{"k": value, "n": place} for place, value in enumerate(values)]
    origins = np.arange(len(rows), dtype=np.int64)
    ids = origins.view(np.uint64)
    if not columns or not rows:
        return Chunk(rows, ids, origins)
    found = Columns.of_rows(rows)
    assert found is not None
    return Chunk.of_columns(found, ids, origins)


def reader(key: Any = "k", **more: Any) -> KeyReader:
    context = Context(
        recorder=NullPass().node(0), key=0, epoch=0, name_origin=lambda origin: f"rows, row {origin}"
    )
    return KeyReader(Slice(label="sort(k)"), as_key(key, "sort"), context, **more)


def read_all(values: list[Any], sizes: list[int], *, columns: bool) -> Keys:
    reading = reader()
    found = [reading.read(chunk_of([], columns=False))]
    at = 0
    for size in [*sizes, len(values)]:
        found.append(reading.read(chunk_of(values[at : at + size], columns=columns)))
        at += size
    return Keys.joined([keys for keys in found if len(keys)])


def read_in_order(values: list[Any], size: int, *, columns: bool) -> None:
    reading = reader()
    for start in range(0, len(values), size):
        chunk = chunk_of(values[start : start + size], columns=columns)
        chunk.origins = chunk.origins + start
        reading.read(chunk)


@st.composite
def key_lists(draw: st.DrawFn) -> list[Any]:
    return draw(st.lists(draw(st.sampled_from(KINDS)), min_size=1, max_size=30))


@given(key_lists(), st.lists(st.integers(1, 9), max_size=3), st.booleans())
def test_keys_are_numbered_as_a_dict_numbers_them(values: list[Any], sizes: list[int], columns: bool) -> None:
    numbering = numbering_of(read_all(values, sizes, columns=columns))
    number_by_value: dict[Any, int] = {}
    expected = [number_by_value.setdefault(value, len(number_by_value)) for value in values]
    assert numbering.numbers.tolist() == expected
    assert numbering.count == len(number_by_value)
    firsts = first_places(numbering.numbers, numbering.count)
    assert firsts.tolist() == [expected.index(number) for number in range(numbering.count)]
    order, bounds = ordered_by(numbering.numbers, numbering.count)
    places = [order[start:end].tolist() for start, end in itertools.pairwise(bounds)]
    assert places == [
        [at for at, number in enumerate(expected) if number == wanted] for wanted in range(numbering.count)
    ]


@given(st.data(), st.sampled_from(KINDS), st.booleans(), st.booleans())
def test_keys_of_one_side_are_found_on_the_other_as_a_dict_finds_them(
    data: st.DataObject, kind: st.SearchStrategy[Any], left_columns: bool, right_columns: bool
) -> None:
    right = data.draw(st.lists(kind, min_size=1, max_size=20))
    left = data.draw(st.lists(st.sampled_from(right) | kind, min_size=1, max_size=20))
    kinds = Kinds()
    numbering = numbering_of(reader(kinds=kinds).read(chunk_of(right, columns=right_columns)))
    asked = reader(kinds=kinds).read(chunk_of(left, columns=left_columns))
    number_by_value: dict[Any, int] = {}
    for value in right:
        number_by_value.setdefault(value, len(number_by_value))
    assert numbering.find(asked).tolist() == [number_by_value.get(value, -1) for value in left]


@given(key_lists(), st.lists(st.integers(1, 9), max_size=3), st.sampled_from([1, 2, 64]))
def test_equal_keys_are_spread_to_one_part_whatever_form_they_come_in(
    values: list[Any], sizes: list[int], count: int
) -> None:
    whole = spread(read_all(values, [], columns=True), count)
    alone = [int(spread(reader().read(chunk_of([value], columns=False)), count)[0]) for value in values]
    assert whole.tolist() == alone
    part_of: dict[Any, int] = {}
    assert all(part_of.setdefault(value, part) == part for value, part in zip(values, alone, strict=True))
    assert max(alone) < count


@given(st.integers(2, 60), st.integers(0, 2**40), st.integers(1, 2**40))
def test_numbers_far_apart_are_numbered_as_those_close_together(
    different: int, start: int, step: int
) -> None:
    picked = np.random.default_rng(different).integers(0, different, 500)
    far = numbering_of(reader().read(chunk_of((picked * step + start).tolist(), columns=True)))
    near = numbering_of(reader().read(chunk_of(picked.tolist(), columns=True)))
    assert far.numbers.tolist() == near.numbers.tolist()
    absent = reader().read(chunk_of([start - 1, 2**62], columns=True))
    assert far.find(absent).tolist() == [-1, -1]


def test_keys_that_a_hash_table_is_unlucky_with_are_numbered_all_the_same() -> None:
    inverse = pow(0x9E3779B97F4A7C15, -1, 1 << 64)
    words = [(place * inverse) % (1 << 64) for place in range(20_000)]  # all of them want one slot
    keys = [word - (1 << 64) if word >= 1 << 63 else word for word in words]
    numbering = numbering_of(reader().read(chunk_of(keys * 2, columns=True)))
    assert numbering.numbers.tolist() == [*range(20_000), *range(20_000)]
    found = numbering.find(reader().read(chunk_of([keys[7], 12345, keys[0]], columns=True)))
    assert found.tolist() == [7, -1, 0]


def test_many_groups_are_gathered_in_two_rounds() -> None:
    numbers = np.random.default_rng(0).permutation(np.repeat(np.arange(100_000), 2))
    order, bounds = ordered_by(numbers, 100_000)
    assert np.array_equal(order, np.argsort(numbers, kind="stable"))
    assert np.array_equal(bounds, np.arange(100_001) * 2)


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(
    ("values", "position", "words"),
    [
        ([1, None, "x"], 1, "is None"),
        ([1.0, 2.0, math.nan], 2, "is NaN"),
        ([1, math.nan], 1, "is NaN"),
        ([1, 2, "x", None], 2, "is text, and that of sample 0 is a number"),
        ([True, 1], 1, "is a number, and that of sample 0 is a bool"),
        ([1, True], 1, "is a bool, and that of sample 0 is a number"),
        (["1", 1], 1, "is a number, and that of sample 0 is text"),
        (["a", b"a"], 1, "is bytes, and that of sample 0 is text"),
        ([(1, 2), (1,)], 1, "is a tuple of a number, and that of sample 0 is a tuple of a number, a number"),
        ([(1, 2), 1], 1, "is a number, and that of sample 0 is a tuple"),
        ([(1, "a"), (1, None)], 1, "is None"),
        ([(1, "a"), ("a", 1)], 1, "is a tuple of text, a number"),
        ([(1,), ()], 1, "is an empty tuple"),
        ([[1]], 0, "unhashable type: 'list'"),
        ([{"a": 1}], 0, "unhashable type: 'dict'"),
        ([np.zeros(2), np.zeros(2)], 0, "unhashable type: 'numpy.ndarray'"),
        ([np.datetime64(1, "D"), np.datetime64("NaT", "D")], 1, "is NaN"),
        ([np.datetime64(1, "D"), np.datetime64(1, "s")], 1, "datetime64[s], and that of sample 0"),
        ([decimal.Decimal(1), decimal.Decimal("NaN")], 1, "is NaN"),
        ([decimal.Decimal(1), 1], 1, "is a number, and that of sample 0 is of type decimal.Decimal"),
    ],
)
def test_a_key_that_cannot_be_used_names_its_sample(
    values: list[Any], position: int, words: str, columns: bool
) -> None:
    for size in (1, 2, 9):
        with pytest.raises(OpError) as caught:
            read_in_order(values, size, columns=columns)
        assert words in caught.value.message
        assert f"sample {position} (rows, row {position})" in caught.value.message
        assert (caught.value.op, caught.value.position) == ("sort(k)", position)
        assert caught.value.remedy


def test_the_first_sample_at_fault_is_named_whichever_of_its_fields_it_is() -> None:
    rows = [{"a": 1, "b": 1}, {"a": 1, "b": None}, {"a": None, "b": 1}]
    for columns in (None, Columns.of_rows(rows)):
        origins = np.arange(3)
        ids = origins.view(np.uint64)
        chunk = Chunk(rows, ids, origins) if columns is None else Chunk.of_columns(columns, ids, origins)
        with pytest.raises(OpError, match="key of sample 1"):
            reader(["a", "b"]).read(chunk)


@pytest.mark.parametrize("columns", [False, True])
def test_a_missing_field_names_the_sample_unless_an_earlier_key_is_at_fault(columns: bool) -> None:
    with pytest.raises(OpError, match=r"sample 0 \(rows, row 0\): KeyError: 'x'"):
        reader("x").read(chunk_of([1, 2], columns=columns))
    with pytest.raises(OpError, match=r"key of sample 1 .*is None"):
        reader(lambda row: None if row["n"] == 1 else 1 // (2 - row["n"])).read(
            chunk_of([1, 2, 3], columns=columns)
        )
    with pytest.raises(OpError, match=r"sample 1 \(rows, row 1\): ZeroDivisionError"):
        reader(lambda row: 1 // (1 - row["n"])).read(chunk_of([1, 2, 3], columns=columns))


def test_a_function_that_stops_the_loop_is_an_error_that_names_the_sample() -> None:
    def stops(row: dict[str, Any]) -> int:
        if row["n"] == 1:
            raise StopIteration
        return 1

    with pytest.raises(OpError, match=r"sample 1 \(rows, row 1\): StopIteration"):
        reader(stops).read(chunk_of([1, 2, 3], columns=False))


@pytest.mark.parametrize("key", [None, 3, [], (), ["a", 1], ["a", "a"], {"a": 1}])
def test_what_names_no_key_is_refused(key: Any) -> None:
    with pytest.raises(PlanError, match=r"sort\(key\)"):
        as_key(key, "sort(key)")


def test_fields_are_told_from_functions() -> None:
    assert fields_of(as_key("a", "sort")) == ("a",)
    assert fields_of(as_key(["a", "b"], "sort")) == ("a", "b")
    assert fields_of(as_key(len, "sort")) is None


@given(st.lists(st.sampled_from([1, 1.5, None, math.nan, "a", True, (1, None), (), [1], (1, 2)]), max_size=6))
def test_keys_are_refused_or_nothing_is_wrong_with_them(values: list[Any]) -> None:
    refused: OpError | None = None
    try:
        read_in_order(values, 2, columns=False)
    except OpError as error:
        refused = error
    wrong = [place for place, value in enumerate(values) if problem_of(value) is not None]
    assert refused is not None or not wrong
    if refused is not None and "and that of" not in refused.message:
        assert refused.position == wrong[0]
