"""Kept samples come back as they were, at any position, as often as wanted, and nobody can spoil them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import DamagedError, OpError
from whence.ops import kept as keeping
from whence.ops.chunk import Chunk
from whence.ops.kept import Kept
from whence.vocab import sample_digests


def chunk_of(values: list[Any], first: int = 0, *, as_columns: bool = False) -> Chunk:
    origins = np.arange(first, first + len(values), dtype=np.int64)
    chunk = Chunk(list(values), origins.view(np.uint64) * np.uint64(3), origins + 9)
    columns = chunk.as_columns() if as_columns else None
    return chunk if columns is None else Chunk.of_columns(columns, chunk.ids, chunk.origins)


def kept_of(parts: list[list[Any]], *, as_columns: bool = False) -> Kept:
    kept = Kept(label="cache", name_origin=lambda origin: f"row {origin}")
    first = 0
    for values in parts:
        kept.add(chunk_of(values, first, as_columns=as_columns))
        first += len(values)
    kept.finish()
    return kept


plain = st.one_of(
    st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5), st.none(), st.booleans()
)
arrays = st.builds(
    lambda shape, dtype, order: np.ones(shape, dtype, order=order),
    st.sampled_from([(), (2,), (2, 3)]),
    st.sampled_from(["i4", "f8", ">i2", "U3", "M8[s]", "O"]),
    st.sampled_from("CF"),
)
values_of_one_form = st.one_of(
    st.lists(st.integers(), max_size=9),
    st.lists(st.floats(), max_size=9),
    st.lists(st.text(max_size=4), max_size=9),
    st.lists(arrays, max_size=5),
    st.lists(st.fixed_dictionaries({"a": st.integers(-9, 9), "b": st.floats()}), max_size=9),
    st.lists(st.fixed_dictionaries({"": st.integers(-9, 9)}), max_size=9),
    st.lists(st.fixed_dictionaries({"a": plain, "b": arrays}), max_size=9),
    st.lists(st.dictionaries(st.text(max_size=2), plain, max_size=2), max_size=9),
    st.lists(st.sampled_from([np.float32(1), np.int8(2), np.datetime64("2020"), np.str_("a")]), max_size=9),
)
memories = st.sampled_from([1, 500, 5_000, 10**9])


@given(
    st.lists(values_of_one_form, max_size=5),
    memories,
    st.booleans(),
    st.randoms(use_true_random=False),
    st.data(),
)
def test_samples_come_back_as_they_were_in_any_order(
    parts: list[list[Any]], memory: int, as_columns: bool, random: Any, data: st.DataObject
) -> None:
    values = [value for part in parts for value in part]
    with wh.config(memory=memory), kept_of(parts, as_columns=as_columns) as kept:
        assert len(kept) == len(values)
        for _ in range(2):
            found = [value for chunk in kept.scan() for value in chunk.values]
            assert list(map(type, found)) == list(map(type, values))
            assert sample_digests(found).tolist() == sample_digests(values).tolist()
        if values:
            positions = np.array(data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1)), np.int64)
            picked = kept.pick(positions)
            wanted = [values[position] for position in positions.tolist()]
            assert sample_digests(picked.values).tolist() == sample_digests(wanted).tolist()
            assert picked.origins.tolist() == (positions + 9).tolist()
            assert picked.ids.tolist() == (positions * 3).tolist()


def spoil(value: Any) -> None:
    if isinstance(value, dict):
        value["a"] = None
    elif isinstance(value, list):
        value.append(0)
    elif isinstance(value, np.ndarray):
        value[...] = 0


@pytest.mark.parametrize("memory", [1, 10**9])
@pytest.mark.parametrize("as_columns", [False, True])
def test_nobody_can_spoil_what_is_kept(memory: int, as_columns: bool) -> None:
    def fresh() -> list[Any]:
        return [{"a": n, "b": np.full(3, n)} for n in range(5)]

    for make in (fresh, lambda: [np.full(3, n) for n in range(5)], lambda: [[n] for n in range(5)]):
        values: list[Any] = make()
        with wh.config(memory=memory), kept_of([values[:3], values[3:]], as_columns=as_columns) as kept:
            for value in values:
                spoil(value)
            for _ in range(3):
                found = [value for chunk in kept.scan() for value in chunk.values]
                assert sample_digests(found).tolist() == sample_digests(make()).tolist()
                for value in found:
                    spoil(value)
                    if isinstance(value, dict):
                        spoil(value["b"])


def test_arrays_that_can_be_written_and_those_that_cannot_stay_so() -> None:
    firm = np.arange(3)
    firm.flags.writeable = False
    with kept_of([[firm, firm], [np.arange(3)]]) as kept:
        found = [value.flags.writeable for chunk in kept.scan() for value in chunk.values]
    assert found == [False, False, True]


def test_many_small_chunks_are_put_together_and_forms_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_JOINED_ROWS", 10)
    with kept_of([[n] for n in range(25)] + [["text"]] * 3 + [[{"a": 1}]]) as kept:
        assert [len(piece) for piece in kept._pieces] == [10, 10, 5, 3, 1]
        assert kept.pick(np.array([28, 3, 26, 3])).values == [{"a": 1}, 3, "text", 3]


def test_beyond_the_memory_allowed_samples_go_to_disk() -> None:
    with wh.config(memory=20_000), kept_of([[bytes(100)] * 100] * 10) as kept:
        assert len(kept._spill) > 0
        assert sum(piece.weight_bytes for piece in kept._pieces) < 40_000


def test_what_can_not_be_pickled_is_kept_as_long_as_there_is_memory_and_then_named() -> None:
    things: list[Any] = [lambda: 1, lambda: 2]
    with kept_of([things]) as kept:
        assert kept.pick(np.array([1, 0])).values == [things[1], things[0]]
    with wh.config(memory=1), pytest.raises(OpError, match="pickle") as caught:
        kept_of([[1], [2, things[0]]])
    assert (caught.value.position, caught.value.origin) == (2, "row 11")


class WontComeBack:
    def __reduce__(self) -> Any:
        return (_refuse, ())


def _refuse() -> Any:
    raise ZeroDivisionError("not again")


@pytest.mark.parametrize("memory", [1, 10**9])
def test_what_can_not_be_unpickled_names_the_op(memory: int) -> None:
    with (
        wh.config(memory=memory),
        kept_of([[WontComeBack()], [WontComeBack()]]) as kept,
        pytest.raises(OpError, match="not again") as caught,
    ):
        kept.pick(np.array([1]))
    assert caught.value.op == "cache"


def test_damage_on_disk_is_named() -> None:
    with wh.config(memory=1), kept_of([["x"], ["y" * 100]]) as kept:
        kept._spill._digests[0] ^= 1
        with pytest.raises(DamagedError):
            kept.pick(np.array([1]))
        assert kept.pick(np.array([0])).values == ["x"]
