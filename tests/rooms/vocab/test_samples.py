"""Witnesses of samples: the same by column as one by one, and changed by every change that counts."""

from __future__ import annotations

import io
import itertools
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from xxhash import xxh3_64_intdigest as xxh3

from whence.vocab import UNKNOWN, content_key, mix64, sample_digest, sample_digests

TEXT = st.text(st.characters(), max_size=5)
FIELDS = np.dtype([("a", "i2"), ("b", ">f8")])
DTYPES: st.SearchStrategy[Any] = hnp.scalar_dtypes() | st.just(FIELDS)
ARRAYS: st.SearchStrategy[Any] = hnp.arrays(
    DTYPES,
    hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | TEXT
    | st.binary(max_size=5)
    | st.dates()
    | st.just(object())
    | ARRAYS
)
SAMPLES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(TEXT, inner, max_size=3)
        | st.dictionaries(st.integers() | TEXT, inner, max_size=3)
        | st.fixed_dictionaries({"x": inner, "y": inner})
    ),
    max_leaves=8,
)
ALIKE = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1)),
    st.lists(st.integers(-(2**64), 2**64)),
    st.lists(st.floats()),
    st.lists(TEXT),
    st.lists(st.lists(TEXT, max_size=5), max_size=40),
    st.lists(st.lists(st.sampled_from("abc"), max_size=40), max_size=40),
    st.lists(st.lists(st.lists(st.integers() | st.none(), max_size=3), max_size=3).map(tuple)),
    st.lists(st.lists(st.lists(st.lists(st.lists(st.booleans(), max_size=2), max_size=2), max_size=2))),
    st.lists(st.fixed_dictionaries({"b": st.integers(), "a": st.floats(), "c": TEXT})),
    st.lists(st.fixed_dictionaries({"x": hnp.arrays(np.float32, (2, 2)), "n": st.integers()})),
    st.lists(hnp.arrays(">i4", (2,))),
    st.lists(hnp.arrays("datetime64[ns]", (2,))),
    st.lists(hnp.arrays(hnp.scalar_dtypes(), (2,))),
)


@given(st.lists(SAMPLES, max_size=6) | ALIKE)
def test_samples_have_the_same_witnesses_together_as_one_by_one(samples: list[Any]) -> None:
    together = sample_digests(samples)
    assert together.dtype == np.uint64
    assert together.tolist() == [sample_digest(sample) for sample in samples]


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(max_dims=3, max_side=4)))
def test_the_layout_of_an_array_in_memory_does_not_count(array: Any) -> None:
    alike = [
        array.astype(array.dtype.newbyteorder(">")),
        np.asfortranarray(array),
        np.repeat(array, 2, axis=0)[::2],
        np.ascontiguousarray(array[..., ::-1])[..., ::-1],
    ]
    for other in alike:
        assert sample_digest(other) == sample_digest(array)
        assert content_key(other) == content_key(array)
    assert len(set(sample_digests([array, *alike]).tolist())) == 1


@given(hnp.arrays(st.sampled_from(["u1", "i4", "f8"]), (3, 2)), st.integers(0, 5))
def test_one_changed_element_changes_the_witness(array: Any, place: int) -> None:
    changed = array.copy()
    changed.view("u1").reshape(6, -1)[place, 0] ^= 1
    assert sample_digest(changed) != sample_digest(array)
    assert content_key(changed) != content_key(array)


def test_a_read_only_array_has_a_witness() -> None:
    array = np.arange(3)
    before = sample_digest(array)
    array.flags.writeable = False
    assert sample_digest(array) == before


DISTINCT: list[Any] = [
    None,
    0,
    1,
    0.0,
    -0.0,
    1.0,
    math.nan,
    "1",
    b"1",
    "",
    b"",
    [],
    (),
    {},
    [0],
    [0, 0],
    (0,),
    [[0]],
    [[], 0],
    [0, []],
    {"a": 1, "b": 2},
    {"a": 2, "b": 1},
    {"a": 1},
    {"a": {"b": 1}},
    {"b": {"a": 1}},
    1 << 64,
    -1,
    np.zeros(4, "f4"),
    np.zeros(4, "i4"),
    np.zeros((2, 2), "f4"),
    np.zeros((4, 1), "f4"),
    np.zeros(0, "f4"),
    np.zeros(1, [("a", "i4")]),
    np.zeros(1, [("b", "i4")]),
    np.zeros(1, [("a", "f4")]),
    np.zeros(1, "datetime64[s]"),
    np.zeros(1, "datetime64[ms]"),
    Image.new("L", (2, 2)),
    Image.new("L", (4, 1)),
    Image.new("RGB", (2, 2)),
    ("image", "L"),
]


def test_samples_that_differ_have_different_witnesses_and_keys() -> None:
    witnesses = [sample_digest(sample) for sample in DISTINCT]
    assert UNKNOWN not in witnesses
    assert len(set(witnesses)) == len(DISTINCT)
    keys = [content_key(sample) for sample in DISTINCT]
    assert None not in keys
    assert len(set(keys)) == len(DISTINCT)


def test_the_order_of_keys_does_not_count_and_that_of_items_does() -> None:
    assert sample_digest({"a": 1, "b": 2}) == sample_digest({"b": 2, "a": 1})
    assert sample_digest([1, 2]) != sample_digest([2, 1])
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})


def test_texts_do_not_run_into_one_another() -> None:
    assert content_key(["ab", "c"]) != content_key(["a", "bc"])
    assert content_key(["a", 1]) != content_key(["a1"])
    assert content_key([["a"], "b"]) != content_key([["a", "b"]])


def test_lists_of_texts_have_witnesses_of_their_own() -> None:
    texts = ["", "a", "b", "\0", "a\0b", "a\0", "\0b"]
    lists: list[Any] = [list(each) for size in range(4) for each in itertools.product(texts, repeat=size)]
    samples = [*lists, *map(tuple, lists), *texts]
    assert len(set(sample_digests(lists).tolist())) == len(lists)
    assert len(set(map(sample_digest, samples))) == len(samples)
    mixed = [["a", "b"], ["a", 1], [], [["a", "b"]], ["a\0", "b"], ["\ud800"]]
    assert sample_digests(mixed).tolist() == list(map(sample_digest, mixed))


class Opaque:
    """Has no bytes of its own."""


class Failing:
    """Looks like an array on another device."""

    def __array__(self) -> Any:
        raise TypeError("can't convert a tensor on another device")


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def _cut_off() -> Image.Image:
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "PNG")
    return Image.open(io.BytesIO(whole.getvalue()[:2000]))


@pytest.mark.parametrize(
    "make",
    [
        Opaque,
        Failing,
        _endless,
        _cut_off,
        lambda: 10**5000,
        lambda: np.ma.array([1, 2], mask=[False, True]),
        lambda: np.zeros(2, np.longdouble),
    ],
)
def test_a_sample_without_bytes_is_unknown_and_spoils_nothing_beside_it(make: Any) -> None:
    assert sample_digest(make()) == UNKNOWN
    assert content_key(make()) is None
    assert sample_digests([{"x": 1}, {"x": make()}, {"x": 2}]).tolist() == [
        sample_digest({"x": 1}),
        UNKNOWN,
        sample_digest({"x": 2}),
    ]


def test_an_object_array_is_witnessed_by_its_objects() -> None:
    assert sample_digest(np.array(["a", None], object)) == sample_digest(["a", None])


def test_no_samples_have_no_witnesses() -> None:
    assert sample_digests([]).tolist() == []


def test_the_witnesses_are_what_other_programs_compute_from_the_page() -> None:
    seed = xxh3(b"<f4 [2]")
    assert sample_digest(np.array([1, 2], "f4")) == xxh3(struct.pack("<2f", 1, 2), seed)
    assert sample_digest("ü") == xxh3("ü".encode(), xxh3(b"str"))
    assert sample_digest(b"x") == xxh3(b"x", xxh3(b"bytes"))
    assert sample_digest(-2) == fmix64((2**64 - 2) ^ xxh3(b"int"))
    assert sample_digest(0.5) == fmix64(struct.unpack("<Q", struct.pack("<d", 0.5))[0] ^ xxh3(b"float"))
    folded = fmix64(((xxh3(b"list") ^ sample_digest(7)) * 0x9E3779B97F4A7C15 + 0) % 2**64)
    assert sample_digest([7]) == folded
    folded = fmix64(((xxh3(b"dict") ^ sample_digest(7)) * 0x9E3779B97F4A7C15 + sample_digest("k")) % 2**64)
    assert sample_digest({"k": 7}) == folded
    assert sample_digest(None) == xxh3(b"null", xxh3(b"canonical"))


def fmix64(word: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        word = ((word ^ (word >> 33)) * factor) % 2**64
    return word ^ (word >> 33)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_mixing_words_together_is_mixing_each(words: list[int]) -> None:
    assert mix64(np.array(words, np.uint64)).tolist() == [fmix64(word) for word in words]
