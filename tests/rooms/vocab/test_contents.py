"""Keys of contents are the same one by one, together and in columns, and differ where the contents do."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from whence.vocab import KEY_BYTES, Column, Columns, content_key, content_keys

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-(2**63), 2**63 - 1, 2**63, 2**64]),
    st.floats(),
    st.sampled_from([0.0, -0.0, 1.0, float("nan"), float("inf")]),
    st.complex_numbers(max_magnitude=9),
    st.text(st.characters(), max_size=4),
    st.binary(max_size=4),
    st.dates(),
    st.sampled_from([np.float32(1), np.float64(1), np.int64(1), np.bool_(True), np.str_("a")]),
    st.sampled_from([np.datetime64("2020"), np.datetime64("2020-01-01"), np.timedelta64(1, "s")]),
    hnp.arrays(st.sampled_from(["i1", "f8", ">i4", "U2", "M8[s]"]), hnp.array_shapes(max_side=2)),
)
values = st.recursive(
    plain,
    lambda inside: st.one_of(
        st.lists(inside, max_size=3),
        st.tuples(inside, inside),
        st.dictionaries(st.sampled_from("ab") | st.integers(0, 1), inside, max_size=2),
    ),
    max_leaves=6,
)


@given(st.lists(values, max_size=8))
def test_keys_are_the_same_together_as_one_by_one(several: list[Any]) -> None:
    together = content_keys(several)
    assert together == [content_key(value) for value in several]
    assert all(len(key) == KEY_BYTES for key in together or [])


alike = st.one_of(
    st.integers(),
    st.integers() | st.none(),
    st.floats(),
    st.booleans(),
    st.text(max_size=3),
    st.sampled_from([np.float32(1.5), np.float32("nan")]),
    st.sampled_from([np.datetime64("2020-01-01"), np.datetime64("NaT", "D")]),
    st.complex_numbers(max_magnitude=9),
    hnp.arrays("f4", 2),
    plain,
)


@given(
    alike.flatmap(
        lambda one: st.lists(st.fixed_dictionaries({"b": st.just(one) | alike, "a": alike}), max_size=9)
    )
)
def test_keys_are_the_same_in_columns_as_in_rows(rows: list[dict[str, Any]]) -> None:
    columns = Columns.of_rows(rows)
    if columns is not None:
        assert content_keys(columns) == content_keys(rows)
        for name, column in columns.by_name.items():
            assert content_keys(column) == content_keys([row[name] for row in rows])


@pytest.mark.parametrize(
    "data",
    [
        np.array([1, 2], np.int8),
        np.array([1, 2**64 - 1], np.uint64),
        np.array([1.5, np.nan], np.float16),
        np.array(["a", "bc"]),
        np.array([b"a", b"bc"]),
        np.array([1j, 2]),
        np.array([True, False]),
    ],
)
@pytest.mark.parametrize("native", [True, False])
def test_columns_of_any_type_have_the_keys_of_their_values(data: Any, native: bool) -> None:
    column = Column(data, native=native)
    assert content_keys(column) == content_keys(column.values())


def test_a_column_without_rows_and_samples_without_fields_have_keys() -> None:
    assert content_keys(Column(np.zeros(0))) == []
    assert content_keys([]) == []
    assert content_keys([{}, {}]) == content_keys(Columns({}, count=2)) == [content_key({})] * 2


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False), unique_by=repr, max_size=40))
def test_numbers_never_share_a_key(numbers: list[Any]) -> None:
    keys = content_keys(numbers)
    assert keys is not None
    assert len(set(keys)) == len(numbers)


def test_what_differs_in_type_or_place_has_another_key() -> None:
    different: list[Any] = [
        1, 1.0, True, "1", b"1", None, 0.0, -0.0, float("nan"), (1,), [1], [[1]], [(1,)], ([1],), {}, [], (),
        "", b"",
        {"a": 1}, {"a": "1"}, {"b": 1}, {"a": 1, "b": 1}, {"a": {"b": 1}}, {1: 1}, {"1": 1}, {"a": None},
        np.int64(1), np.int32(1), np.float64(1), np.array(1), np.array([1]), np.bool_(True), {1},
        "ab", ["a", "b"], ["ab"], [b"ab"], 2**64, -(2**63), 2**63, np.uint64(2**63), np.datetime64("2020"),
        np.datetime64("2020-01"), range(1), 1j, np.complex64(1j),
    ]  # fmt: skip
    for one, other in itertools.combinations(different, 2):
        assert content_key(one) != content_key(other), (one, other)


def test_what_is_the_same_has_one_key() -> None:
    same: list[tuple[Any, Any]] = [
        (float("nan"), -float("nan")),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.arange(4)[::2], np.array([0, 2])),
        (np.array([1], ">i4"), np.array([1], "<i4")),
    ]
    for one, other in same:
        assert content_key(one) == content_key(other)


class Opaque:
    """Has no bytes of its own."""


def endless(times: int) -> list[Any]:
    value: list[Any] = []
    value.extend([value] * times)
    return value


@pytest.mark.parametrize(
    "make", [Opaque, lambda: endless(1), lambda: endless(2), lambda: 10**5000, lambda: {"a": Opaque()}]
)
def test_a_value_without_bytes_has_no_key_nor_have_those_with_it(make: Any) -> None:
    assert content_key(make()) is None
    assert content_keys([1, make(), 2]) is None
    assert content_keys([{"x": 1}, {"x": make()}]) is None


def test_a_dict_that_holds_itself_has_no_key() -> None:
    circle: dict[str, Any] = {}
    circle |= {"a": circle, "b": circle}
    assert content_key(circle) is None
