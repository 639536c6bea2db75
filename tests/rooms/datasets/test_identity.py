"""A digest of rows says what they say: not how Arrow holds them, nor how they are chunked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.datasets.columns import TYPES, column, others
from whence.datasets.identity import ContentHasher, content_digest
from whence.datasets.logical import type_name
from whence.errors import InputError


def digest(table: Any, *cuts: int) -> bytes:
    hasher = ContentHasher()
    for start, stop in zip((0, *cuts), (*cuts, table.num_rows), strict=True):
        hasher.update(table.slice(start, stop - start))
    return hasher.digest(table.schema)


@pytest.mark.parametrize("name", TYPES)
def test_any_cell_that_changes_changes_the_digest(name: str) -> None:
    values = column(name, 60).to_pylist()
    kind = TYPES[name][0]
    known = {digest(pa.table({"x": pa.array(values, kind)}))}
    contents = {content_digest(pa.table({"x": pa.array(values, kind)}))}
    count = 1
    for number in range(60):
        for value in others(name, number):
            changed = pa.table({"x": pa.array([*values[:number], value, *values[number + 1 :]], kind)})
            known.add(digest(changed))
            contents.add(content_digest(changed))
            count += 1
    distinct = 1 + sum(len({repr(value) for value in others(name, number)}) for number in range(60))
    assert len(known) == len(contents) == distinct <= count


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("cuts", [(1,), (7, 8, 30), tuple(range(1, 60))])
def test_chunks_make_no_difference(name: str, cuts: tuple[int, ...]) -> None:
    table = pa.table({"x": column(name, 60), "y": column("int64", 60)})
    assert digest(table, *cuts) == digest(table)


def same(*arrays: Any) -> None:
    tables = [pa.table({"x": array}) for array in arrays]
    assert len({content_digest(table) for table in tables}) == 1
    assert len({digest(table) for table in tables}) == 1


def test_a_text_is_a_text_however_it_is_held() -> None:
    plain = column("string", 60)
    runs = pc.run_end_encode(plain)
    same(
        plain,
        plain.cast(pa.large_string()),
        plain.cast(pa.string_view()),
        plain.dictionary_encode(),
        plain.cast(pa.large_string()).dictionary_encode(),
        runs,
        pa.concat_arrays([column("string", 5), plain]).slice(5),
    )


def test_bytes_lists_and_decimals_are_what_they_hold() -> None:
    same(column("binary", 60), column("binary", 60).cast(pa.binary_view()))
    lists = column("list", 60)
    values = lists.to_pylist()
    kinds = [pa.large_list(pa.float32()), pa.list_view(pa.float32()), pa.large_list_view(pa.float32())]
    same(lists, *(pa.array(values, kind) for kind in kinds))
    triples = column("fixed_list", 60)
    same(triples, pa.array(triples.to_pylist(), pa.list_(pa.int16())))
    decimals = column("decimal", 60)
    same(decimals, *(pa.array(decimals.to_pylist(), kind(18, 3)) for kind in (pa.decimal256, pa.decimal64)))


FIXED = [name for name, (kind, _) in TYPES.items() if pa.types.is_primitive(kind)]


@pytest.mark.parametrize("name", [*FIXED, "string", "binary", "decimal", "fixed_binary"])
def test_what_lies_where_a_value_is_missing_says_nothing(name: str) -> None:
    whole = column(name, 60, missing=lambda n: False)
    mask = np.array([n % 11 == 3 for n in range(60)])
    bitmap = pa.py_buffer(np.packbits(~mask, bitorder="little"))
    same(column(name, 60), pa.Array.from_buffers(whole.type, 60, [bitmap, *whole.buffers()[1:]]))


def test_what_lies_in_a_missing_struct_or_list_says_nothing() -> None:
    mask = pa.array([n % 11 == 3 for n in range(60)])
    inner = [pa.array(range(60)), pa.array([f"b{n}" for n in range(60)])]
    same(column("struct", 60), pa.StructArray.from_arrays(inner, ["a", "b"], mask=mask))
    whole = column("list", 60, missing=lambda n: False)
    same(column("list", 60), pa.ListArray.from_arrays(whole.offsets, whole.values, mask=mask))


def test_types_names_order_and_borders_between_values_count() -> None:
    tables = [
        {"x": pa.array([1, 2])},
        {"x": pa.array([1, 2], pa.int32())},
        {"y": pa.array([1, 2])},
        {"x": pa.array([2, 1])},
        {"x": pa.array([1.0, 2.0])},
        {"x": pa.array(["1", "2"])},
        {"x": pa.array(["12", ""])},
        {"x": pa.array(["", "12"])},
        {"x": pa.array([b"12", b""])},
        {"x": pa.array([["1"], ["2"]])},
        {"x": pa.array([["1", "2"], []])},
        {"x": pa.array([[["1"], ["2"]], []])},
        {"x": pa.array([[["1", "2"]], []])},
        {"x": pa.array([None, "12"])},
        {"x": pa.array(["12", None])},
        {"x": pa.array([1, 2]), "y": pa.array([1, 2])},
        {"y": pa.array([1, 2]), "x": pa.array([1, 2])},
        {"x": pa.array([0.0, 1.0])},
        {"x": pa.array([-0.0, 1.0])},
        {},
        {"x": pa.array([], pa.int64())},
        {"x": pa.array([], pa.string())},
        {"x": pa.array([None, None], pa.string())},
        {"x": pa.array([None, None], pa.int64())},
        {"x": pa.array([None], pa.int64())},
    ]
    assert len({digest(pa.table(each)) for each in tables}) == len(tables)


def test_every_nan_is_one_value() -> None:
    words = np.array([0x7FF8000000000000, 0xFFF8000000000001, 0x7FF0000000000001], np.uint64)
    same(*(pa.array(np.array([1.0, word.view(np.float64)])) for word in words))


def test_a_column_that_begins_with_nothing_is_the_typed_one() -> None:
    hasher = ContentHasher()
    hasher.update(pa.table({"x": pa.nulls(3)}))
    hasher.update(pa.table({"x": pa.array(["a", "b"])}))
    whole = pa.table({"x": pa.array([None, None, None, "a", "b"])})
    assert hasher.digest(whole.schema) == digest(whole)
    assert content_digest(pa.table({"x": pa.nulls(3)})) == content_digest(
        pa.table({"x": pa.array([None, None, None], pa.string())})
    )


def test_unions_are_refused_by_name() -> None:
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    with pytest.raises(InputError, match="union"):
        type_name(union.type)


TEXTS = st.lists(st.none() | st.text(max_size=3), max_size=6)


@given(first=TEXTS, second=TEXTS)
def test_two_columns_of_texts_have_one_digest_only_if_they_are_equal(
    first: list[str | None], second: list[str | None]
) -> None:
    tables = [pa.table({"x": pa.array(values, pa.string())}) for values in (first, second)]
    assert (digest(tables[0]) == digest(tables[1])) == (first == second)


@given(first=st.lists(TEXTS | st.none(), max_size=4), second=st.lists(TEXTS | st.none(), max_size=4))
def test_two_columns_of_lists_have_one_digest_only_if_they_are_equal(first: Any, second: Any) -> None:
    kind = pa.list_(pa.string())
    tables = [pa.table({"x": pa.array(values, kind)}) for values in (first, second)]
    assert (digest(tables[0]) == digest(tables[1])) == (first == second)
