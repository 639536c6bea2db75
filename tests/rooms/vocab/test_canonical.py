"""Canonical bytes: one value, one spelling, and no two values share one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import json
import math
import pathlib
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import CanonicalError
from whence.vocab import canonical, digest_bytes, digest_value

KEYS = st.text(max_size=4)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.binary(max_size=6)
    | st.decimals()
    | st.fractions()
    | st.dates()
    | st.datetimes()
    | st.uuids()
    | st.complex_numbers()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float


@given(VALUES)
def test_canonical_bytes_are_json_in_utf8(value: Any) -> None:
    json.loads(canonical(value))


@given(st.dictionaries(KEYS, st.integers(), max_size=6))
def test_the_order_in_which_keys_were_written_does_not_count(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical(value) == canonical(backwards)


def test_keys_are_sorted_by_utf16_code_units() -> None:
    """RFC 8785 section 3.2.3: property names are compared as arrays of UTF-16 code units."""
    # The order that the RFC itself prints: an emoji (a surrogate pair) stands before U+FB33.
    wanted = ["\r", "1", "\x80", "ö", "€", "\U0001f600", "\ufb33"]
    spelled = canonical(dict.fromkeys(reversed(wanted)))
    assert list(json.loads(spelled)) == wanted
    assert sorted(wanted) != wanted


def test_strings_are_spelled_as_rfc_8785_spells_them() -> None:
    """RFC 8785 section 3.2.2.2: the RFC's own example of control characters, quotes and signs."""
    text = '€$\x0f\nA\'B"\\\\"/'
    assert canonical(text) == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()


def test_no_white_space_is_spelled() -> None:
    assert canonical({"b": [1, 2], "a": None}) == b'{"a":null,"b":[1,2]}'


DISTINCT: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    0.0,
    -0.0,
    1.0,
    math.nan,
    math.inf,
    -math.inf,
    "1",
    "",
    b"",
    b"1",
    "true",
    [],
    (),
    {},
    set(),
    [1],
    (1,),
    {1},
    {1: 1},
    {"1": 1},
    {"$float": "0x1p+0"},
    {"$unknown": "x"},
    ["$tuple", 1],
    1j,
    complex(0.0, -0.0),
    decimal.Decimal(1),
    decimal.Decimal("1.0"),
    fractions.Fraction(1),
    dt.date(2026, 11, 1),
    dt.datetime(2026, 11, 1),
    dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    dt.time(1),
    dt.timedelta(1),
    uuid.UUID(int=1),
    pathlib.PurePosixPath("1"),
    range(1),
    slice(1),
    Colour.RED,
    Level.ONE,
    Point(1, 2.0),
    {"x": 1, "y": 2.0},
    np.int32(1),
    np.int64(1),
    np.float64(1),
    np.array([1]),
    np.array([[1]]),
    np.array([1.0]),
    np.array([1], "datetime64[s]"),
    np.array([1], "datetime64[ms]"),
    np.array([(1, 2)], [("a", "i4"), ("b", "i4")]),
    np.array([(1, 2)], [("a", "i4"), ("c", "i4")]),
    np.array([(1, 2)], [("a", "i4"), ("b", "u4")]),
]


def test_values_that_differ_are_spelled_differently() -> None:
    spelled = [canonical(value) for value in DISTINCT]
    assert len(set(spelled)) == len(DISTINCT)


def test_a_dict_that_looks_like_a_tag_is_not_taken_for_one() -> None:
    attack = json.loads(canonical(b"x"))
    assert canonical(attack) != canonical(b"x")


@given(st.floats(), st.floats())
def test_floats_are_equal_in_bytes_exactly_when_they_are_equal_in_bits(first: float, second: float) -> None:
    same = (first.hex() == second.hex()) or (math.isnan(first) and math.isnan(second))
    assert (canonical(first) == canonical(second)) == same


@given(st.integers(), st.integers())
def test_integers_of_any_size_are_told_apart(first: int, second: int) -> None:
    assert (canonical(first) == canonical(second)) == (first == second)


def test_the_layout_of_an_array_in_memory_does_not_count() -> None:
    array = np.arange(12, dtype="<i4").reshape(3, 4)
    alike = [
        array.astype(">i4"),
        np.asfortranarray(array),
        np.ascontiguousarray(array[:, ::-1])[:, ::-1],
        np.repeat(array, 2, axis=1)[:, ::2],
    ]
    for other in alike:
        assert canonical(other) == canonical(array)


def test_the_space_between_fields_does_not_count() -> None:
    dtype = np.dtype([("a", "i1"), ("b", "i8")], align=True)
    clean, dirty = np.zeros(2, dtype), np.empty(2, dtype)
    dirty.view("u1")[:] = 255
    for name in ("a", "b"):
        dirty[name] = clean[name]
    assert clean.tobytes() != dirty.tobytes()
    assert canonical(clean) == canonical(dirty)


def test_a_subclass_is_spelled_as_what_it_is_a_subclass_of() -> None:
    class Text(str):
        __slots__ = ()

    class Table(dict[str, int]):
        pass

    assert canonical(Text("a")) == canonical("a")
    assert canonical(Table(a=1)) == canonical({"a": 1})


def test_a_value_nested_100_levels_deep_has_canonical_bytes_and_one_of_101_has_none() -> None:
    value: Any = 1
    for _ in range(100):
        value = [value]
    canonical(value)
    with pytest.raises(CanonicalError, match="more than 100 levels"):
        canonical([value])


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"a": v}, lambda v: (v,), lambda v: {1: v}])
def test_a_value_that_holds_itself_is_refused(wrap: Any) -> None:
    value: Any = 1
    for _ in range(2000):
        value = wrap(value)
    with pytest.raises(CanonicalError):
        canonical(value)


class Opaque:
    """Has no bytes of its own."""


class Liar:
    """Looks like an array, and fails when it is asked for one."""

    def __array__(self) -> Any:
        raise RuntimeError("on another device")


UNSPEAKABLE: list[Any] = [
    Opaque(),
    Opaque,
    object(),
    np.ndarray,
    lambda: None,
    Liar(),
    np.array([object()]),
    np.ma.array([1, 2], mask=[False, True]),
    np.array([1.0], np.longdouble),
    1 << 20_000,
]


@pytest.mark.parametrize("value", UNSPEAKABLE, ids=lambda value: type(value).__name__)
def test_a_value_without_canonical_bytes_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(CanonicalError) as caught:
        canonical({"deep": [0, value]})
    assert caught.value.path in ("$.deep[1]", "$")


def test_the_digest_of_a_value_is_the_sha256_of_its_bytes() -> None:
    assert digest_value({"a": 1}) == digest_bytes(b'{"a":1}')
