"""Mix: several streams in random turns."""

from __future__ import annotations

import pathlib
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.oracle.readings import chunks_of
from whence.errors import PlanError


def numbered(name: str, count: int) -> wh.Stream:
    return wh.from_items([(name, number) for number in range(count)], name=name)


@given(
    st.lists(st.integers(0, 150), min_size=2, max_size=3),
    st.sampled_from(["all", "first"]),
    st.integers(0, 99),
    st.integers(1, 60),
)
def test_a_mix_keeps_each_order_and_loses_nothing(
    sizes: list[int], stop: Literal["all", "first"], seed: int, chunk: int
) -> None:
    first, *others = (numbered(name, size) for name, size in zip("abc", sizes, strict=False))
    weights = [0.5, 0.3, 0.2][: len(sizes)]
    weights[-1] = 1 - sum(weights[:-1])
    mixed = first.mix(*others, weights=weights, seed=seed, stop=stop)
    found = mixed.collect()
    for name, size in zip("abc", sizes, strict=False):
        came = [number for each, number in found if each == name]
        assert came == list(range(size))[: len(came)]
        assert stop == "first" or len(came) == size
    with chunks_of(chunk, chunk):
        assert mixed.collect() == found
        assert mixed.filter(lambda _: True).collect() == found
    if stop == "all":
        assert len(mixed) == len(found)
        assert mixed.skip(7).collect() == found[7:]
        assert sorted(mixed.shuffle(seed=3).collect()) == sorted(found)


def test_shares_are_kept_all_along() -> None:
    found = numbered("a", 7000).mix(numbered("b", 2000), numbered("c", 1000), weights=[0.7, 0.2, 0.1], seed=4)
    names = np.array([name for name, _ in found.take(6400)])
    for name, share in (("a", 0.7), ("b", 0.2), ("c", 0.1)):
        assert abs((names == name).mean() - share) < 0.001


def test_it_goes_on_by_the_old_proportions_when_a_stream_has_ended() -> None:
    mixed = numbered("a", 4000).mix(numbered("b", 4000), numbered("c", 10), weights=[0.2, 0.2, 0.6], seed=1)
    names = [name for name, _ in mixed.skip(100).take(3000)]
    assert abs(names.count("a") / 3000 - 0.5) < 0.01


def test_the_first_end_is_the_end() -> None:
    streams = numbered("a", 1000), numbered("b", 20)
    whole = streams[0].mix(streams[1], weights=[0.5, 0.5], seed=1).collect()
    found = streams[0].mix(streams[1], weights=[0.5, 0.5], seed=1, stop="first").collect()
    assert found == whole[: len(found)]
    assert sum(name == "b" for name, _ in found) == 20
    assert len(found) < 64


def test_every_epoch_mixes_anew_and_the_same_again() -> None:
    mixed = numbered("a", 100).mix(numbered("b", 100), weights=[0.5, 0.5], seed=1)
    assert list(mixed.epoch(1)) == list(mixed.epoch(1))
    assert list(mixed.epoch(0)) != list(mixed.epoch(1))
    other = numbered("a", 100).mix(numbered("b", 100), weights=[0.5, 0.5], seed=2)
    assert list(mixed) != list(other)


def test_columns_stay_columns_and_are_the_same_samples() -> None:
    left = wh.from_arrays(x=np.arange(50.0), s=np.array(["l"] * 50))
    right = wh.from_arrays(x=np.arange(9.0), s=np.array(["right"] * 9))
    columns = left.mix(right, weights=[0.6, 0.4], seed=1).collect()
    rows = left.map(dict).mix(right.map(dict), weights=[0.6, 0.4], seed=1).collect()
    assert columns == rows
    assert {(type(row["x"]), type(row["s"])) for row in columns} == {
        (type(row["x"]), type(row["s"])) for row in rows
    }


def test_random_draws_are_those_of_the_sample_wherever_it_is_mixed_in() -> None:
    def drawn(value: Any, rng: Any) -> tuple[Any, int]:
        return value, rng.integers(0, 1 << 40)

    mixed = numbered("a", 60).mix(numbered("b", 60), weights=[0.5, 0.5], seed=1).map(drawn)
    late = dict(mixed.skip(11).collect())
    assert late.items() <= dict(mixed.collect()).items()
    assert len(set(dict(mixed.collect()).values())) == 120


@pytest.mark.parametrize("stop", ["all", "first"])
def test_a_mix_is_traced_and_made_again_with_nothing_stored(
    tmp_path: pathlib.Path, stop: Literal["all", "first"]
) -> None:
    paths = []
    for name, count in (("a", 200), ("b", 30)):
        paths.append(tmp_path / f"{name}.txt")
        paths[-1].write_text("".join(f"{name}{row}\n" for row in range(count)))
    streams = [wh.from_text(path, name=path.stem).filter(is_kept) for path in paths]
    # of a file, what was never read is unknown, and how far is read ahead depends on the clock
    with chunks_of(256, 256), wh.start_run("mix", workspace=tmp_path / "ws") as run:
        mixed = streams[0].mix(streams[1], weights=[0.75, 0.25], seed=5, stop=stop)
        got = list(mixed.epoch(2))
        left = iter(mixed.epoch(3))
        part = [next(left) for _ in range(20)]
        left.close()
    for epoch, values in ((2, got), (3, part)):
        for item, value in enumerate(values):
            (origin,) = run.trace(epoch=epoch, item=item).origins
            assert f"{origin.source}{origin.row}" == value
    for item in (0, 17, len(got) - 1):
        assert run.replay(epoch=2, item=item) == got[item]
    impact = wh.open(tmp_path / "ws").impact("a", rows=[199])
    if stop == "first":
        assert [drop.reason for drop in impact.drops] == ["the mix had ended (stop='first')"]
        assert {epoch for drop in impact.drops for epoch in drop.epochs} == {2}
    else:
        assert not impact.drops
        assert impact.count == 1


def is_kept(text: str) -> bool:
    return not text.endswith("5")


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ([0.5, 0.4], "the weights sum up to 0.9, wanted 1"),
        ([1.5, -0.5], "weight 0 is 1.5, wanted a number from"),
        ([1.0, 0.0], "weight 1 is 0.0"),
        ([0.5, float("nan")], "weight 1 is nan"),
        ([1, True], "weight 1 is True"),
        (["a", "b"], "weight 0 is 'a'"),
        ([1.0], "1 weights for 2 streams"),
        ([0.4, 0.3, 0.3], "3 weights for 2 streams"),
        (0.5, "wanted one weight for each stream"),
        ("ab", "wanted one weight for each stream"),
    ],
)
def test_weights_that_are_none_are_refused_where_they_are_written(weights: Any, problem: str) -> None:
    with pytest.raises(PlanError, match=problem):
        numbered("a", 3).mix(numbered("b", 3), weights=weights, seed=1)


def test_an_end_that_is_none_is_refused() -> None:
    with pytest.raises(PlanError, match="wanted 'all' or 'first'"):
        numbered("a", 3).mix(weights=[1.0], seed=1, stop="last")  # type: ignore[arg-type]  # the mistake
