"""Plain values: what JSON and msgpack can hold, and back to what it was."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from whence.errors import CanonicalError
from whence.vocab import canonical, from_plain, plain

TEXT = st.text(st.characters(), max_size=5)  # halves of surrogate pairs as well
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63)
    | st.floats()
    | TEXT
    | st.binary(max_size=5)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.complex_numbers(allow_nan=False)
)
HASHABLE = st.integers() | TEXT | st.tuples(st.integers(), TEXT) | st.booleans()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(TEXT | st.sampled_from(["$float", "$x"]), inner, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=10,
)


@given(VALUES)
def test_a_value_made_plain_comes_back_as_it_was(value: Any) -> None:
    back = from_plain(plain(value))
    assert canonical(back) == canonical(value)


@given(VALUES)
def test_what_is_plain_survives_msgpack_and_json(value: Any) -> None:
    kept = plain(value)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept)) == kept
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept


@given(VALUES)
def test_what_is_plain_stays_so(value: Any) -> None:
    kept = plain(value)
    again = plain(json.loads(json.dumps(kept)))
    assert from_plain(again) == kept


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)))
def test_an_array_comes_back_with_its_type_and_shape(array: Any) -> None:
    back = np.asarray(from_plain(plain(array)))
    assert back.shape == array.shape
    assert canonical(back) == canonical(array)


def test_numbers_and_text_stay_readable() -> None:
    assert plain({"lr": 0.1, "layers": [1, 2], "name": "ü", "on": True, "off": None}) == {
        "lr": 0.1,
        "layers": [1, 2],
        "name": "ü",
        "on": True,
        "off": None,
    }


def test_numpy_scalars_become_numbers() -> None:
    kept = plain([np.int8(3), np.float32(0.5), np.bool_(True), np.str_("a")])
    assert kept == [3, 0.5, True, "a"]
    assert [type(item) for item in kept] == [int, float, bool, str]


def test_nanoseconds_do_not_turn_into_bare_integers() -> None:
    assert from_plain(plain(np.datetime64(5, "ns"))) == np.datetime64(5, "ns")


def test_the_numbers_that_json_lacks_are_tagged() -> None:
    assert plain([math.nan, math.inf, 1 << 70]) == [
        {"$float": "nan"},
        {"$float": "inf"},
        {"$int": str(1 << 70)},
    ]


class Opaque:
    """Has no bytes of its own."""


@dataclasses.dataclass
class Point:
    x: int


def test_what_can_not_be_kept_is_written_down_as_unknown() -> None:
    kept = plain({"model": Opaque()})
    assert list(kept["model"]) == ["$unknown"]
    assert kept["model"]["$unknown"].endswith("Opaque")


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [_endless(), {"a": _endless()}, 10**5000, {10**5000}, np.longdouble(1), lambda: None, Opaque],
    ids=lambda value: type(value).__name__,
)
def test_nothing_makes_plain_raise(value: Any) -> None:
    assert "$unknown" in json.dumps(plain(value))


@pytest.mark.parametrize("value", [Opaque(), Point(1)])
def test_what_can_not_be_made_again_says_so(value: Any) -> None:
    with pytest.raises(CanonicalError, match="can't be made again"):
        from_plain(plain([value]))


def test_a_dict_that_looks_like_a_tag_comes_back_as_a_dict() -> None:
    for attack in ({"$int": "5"}, {"$unknown": "x"}, {"$array": ["<i4", [1], "AAAAAA=="]}, {"$nonsense": 1}):
        assert from_plain(plain(attack)) == attack
