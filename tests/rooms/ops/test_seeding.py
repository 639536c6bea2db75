"""With `seed_foreign` whatever draws from a global generator draws what is its sample's own."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError, PlanError
from whence.streams import Stream


def drawing(sample: Any) -> tuple[Any, ...]:
    """Draw in all ways that keep something for later."""
    drawn = random.random(), random.gauss(0, 1), np.random.normal(), int(np.random.randint(1 << 30))
    return sample, *drawn


def drawing_group(samples: list[Any]) -> list[Any]:
    return [drawing(sample) for sample in samples]


def half(sample: Any) -> bool:
    return random.random() + np.random.normal() < 0.5


def copies(sample: Any) -> Iterator[Any]:
    for _ in range(random.randrange(4)):
        yield drawing(sample)


STREAMS: dict[str, Any] = {
    "map": lambda items: items.map(drawing, seed_foreign=True),
    "filter": lambda items: items.filter(half, seed_foreign=True).map(drawing, seed_foreign=True),
    "flat_map": lambda items: items.flat_map(copies, seed_foreign=True),
    "map_batches": lambda items: items.map_batches(drawing_group, size=7, seed_foreign=True),
    "batch": lambda items: items.batch(5, collate=drawing, seed_foreign=True),
    "quarantine": lambda items: items.map(drawing, on_error="quarantine", seed_foreign=True),
}


@pytest.fixture(autouse=True)
def _states() -> Iterator[None]:
    before = random.getstate(), np.random.get_state(legacy=False)
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])


def states() -> tuple[Any, str]:
    return random.getstate(), repr(np.random.get_state(legacy=False))


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_samples_are_the_same_again_and_with_workers(way: str, workers: int) -> None:
    stream: Stream = STREAMS[way](wh.from_items(list(range(300)), name="n"))
    random.seed(1)
    np.random.seed(2)
    first = list(stream.epoch(1))
    random.seed(3)
    np.random.normal()  # half of a pair is kept
    again = list(stream.with_workers(workers).epoch(1))
    assert again == first
    assert list(stream.epoch(2)) != first


@pytest.mark.parametrize("way", STREAMS)
def test_the_users_own_state_is_as_it_was(way: str) -> None:
    stream = STREAMS[way](wh.from_items(list(range(50))))
    np.random.normal()
    random.gauss(0, 1)
    before = states()
    assert stream.collect()
    assert states() == before


@given(st.lists(st.integers(0, 199), min_size=1, max_size=20))
def test_a_sample_is_the_same_wherever_it_is_picked(places: list[int]) -> None:
    items = wh.from_items(list(range(200)), name="n")
    for way in ("map", "map_batches", "batch"):
        stream = STREAMS[way](items)
        scanned = stream.collect()
        shuffled = stream.shuffle(seed=len(places)).collect()
        assert sorted(shuffled) == sorted(scanned)


def test_neighbours_operations_and_generators_draw_apart() -> None:
    def twice(sample: int) -> tuple[float, float]:
        return random.random(), float(np.random.random_sample())

    items = wh.from_items(list(range(500)))
    one = items.map(twice, name="one", seed_foreign=True).collect()
    other = items.map(twice, name="other", seed_foreign=True).collect()
    assert len({number for rows in (one, other) for row in rows for number in row}) == 2_000


def test_a_failing_function_leaves_the_users_state_as_it_was() -> None:
    def fails(sample: int) -> float:
        if sample == 70:
            raise ValueError(random.random())
        return random.random()

    items = wh.from_items(list(range(100)))
    before = states()
    with pytest.raises(OpError, match="sample 70"):
        items.map(fails, seed_foreign=True).collect()
    assert states() == before
    kept = items.map(fails, seed_foreign=True, on_error="quarantine").collect()
    assert states() == before
    without = items.filter(lambda each: each != 70).map(fails, seed_foreign=True).collect()
    assert kept == without


def test_the_settings_say_what_is_made_from_then_on() -> None:
    items = wh.from_items(list(range(20)), name="n")
    with wh.config(seed_foreign=True) as configured:
        assert configured.seed_foreign
        assert "seed_foreign=True" in repr(configured)
        made = items.map(drawing)
        assert items.batch(3).collect()[0].tolist() == [0, 1, 2]
        assert items.batch(3, collate=list).collect()[0] == [0, 1, 2]
        assert items.filter(lambda columns: columns > 2, form="columns").count() == 17
        unseeded = items.map(drawing, seed_foreign=False)
    assert not configured.seed_foreign
    assert made.collect() == items.map(drawing, seed_foreign=True).collect()
    assert unseeded.collect() != unseeded.collect()


def test_what_cannot_be_seeded_is_refused() -> None:
    items = wh.from_items([1, 2])
    with pytest.raises(PlanError, match="wanted True or False"):
        items.map(drawing, seed_foreign=1)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(PlanError, match="wanted True or False"):
        wh.config(seed_foreign="yes")  # type: ignore[arg-type]  # what is refused
    with pytest.raises(PlanError, match="columns are of many samples"):
        items.filter(half, form="columns", seed_foreign=True)
    with pytest.raises(PlanError, match="only a function can draw"):
        items.batch(2, seed_foreign=True)


# objects with generators of their own


class Lent:
    """Draws as Albumentations' pipelines do from 2.0 on."""

    def __init__(self) -> None:
        self.set_random_seed(0)

    def set_random_seed(self, seed: int) -> None:
        self.set_random_state(np.random.default_rng(seed), random.Random(seed))

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        self.random_generator, self.py_random = random_generator, py_random

    def __call__(self, sample: Any) -> tuple[Any, ...]:
        return sample, self.random_generator.random(), self.py_random.random()


class Seeded:
    """Draws as Albumentations' pipelines do from 1.4.19 to 1.4.24."""

    def __init__(self) -> None:
        self.set_random_seed(0)

    def set_random_seed(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def __call__(self, sample: Any) -> tuple[Any, ...]:
        return sample, self.generator.random()


GLOBAL = Lent()


def by_global(sample: Any) -> Any:
    return GLOBAL(sample)


class Held:
    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __call__(self, sample: Any) -> Any:
        return [part(sample) for part in self.parts]

    def method(self, sample: Any) -> Any:
        return self(sample)


def by_parameter(sample: Any, transform: Any) -> Any:
    return transform(sample)


@pytest.mark.parametrize("kind", [Lent, Seeded])
def test_objects_that_take_a_seed_are_found_and_seeded(kind: type[Lent] | type[Seeded]) -> None:
    part = kind()
    ways: list[Any] = [
        part,
        part.__call__,
        lambda sample: [part(sample)],
        functools.partial(by_parameter, transform=part),
        Held(part, part),
        Held(part).method,
        by_global,
    ]
    items = wh.from_items(list(range(40)), name="n")
    for fn in ways:
        stream = items.map(fn, name="part", seed_foreign=True)
        first = stream.collect()
        assert stream.collect() == first
        assert len({str(each)[-30:] for each in first}) == 40


def test_an_object_that_was_lent_generators_has_its_own_again() -> None:
    part = Lent()
    own = part.random_generator, part.py_random
    wh.from_items([1, 2]).map(part, seed_foreign=True).collect()
    assert part.random_generator is own[0]
    assert part.py_random is own[1]
