"""Many processes learn what one learns: the samples, what was learned and what was noticed are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import whence as wh
from whence.query import Replayer, parse_address
from whence.streams import Stream

ROWS: list[dict[str, Any]] = [
    {"n": number, "a": float(number % 11) if number % 13 else None, "k": "xyz"[number % 3]}
    for number in range(2000)
]


def is_third(row: dict[str, Any]) -> bool:
    return bool(row["n"] % 3)


def jitter(row: dict[str, Any], *, rng: Any) -> dict[str, Any]:
    return row | {"j": rng.random()}


def mean_of(batch: dict[str, Any]) -> dict[str, Any]:
    return {"n": float(batch["n"].mean())}


def given() -> Stream:
    return wh.from_items(ROWS)


MADE: dict[str, Callable[[], Stream]] = {
    "a chain of fits": lambda: given().fill_missing("a", "mean").normalize("a").one_hot("k").map(jitter),
    "what is put aside": lambda: (
        given().filter(is_third).map(jitter).fill_missing("a", "median").normalize("a", "j").batch(32)
    ),
    "another stream": lambda: given().normalize("n", fit=given().map(jitter).sample(0.5, seed=3)).shuffle(4),
    "along the stream": lambda: given().filter(is_third).fill_missing("a", "interpolate").winsorize("a"),
    "below a shuffle": lambda: given().map(jitter).filter(is_third).normalize("j").shuffle(3).batch(10),
    "what isn't known": lambda: given().one_hot("k", categories=["x"]),
    "batches": lambda: given().batch(4).map(mean_of).normalize("n"),
    "batches put aside": lambda: given().filter(is_third).batch(4).map(mean_of).normalize("n").shuffle(2),
}


@pytest.mark.parametrize("made", sorted(MADE))
def test_two_workers_leave_the_record_that_none_leave(made: str, tmp_path: Any) -> None:
    found = []
    for number, workers in enumerate((0, 2)):
        stream = MADE[made]()
        with wh.start_run(workspace=tmp_path / str(number)) as run:
            samples = list(map(repr, stream.with_workers(workers) if workers else stream))
        record = wh.open(tmp_path / str(number)).run(run.name).record
        digests = record.digests(0)
        found.append((samples, digests.items.tolist(), record.fitted(0), record.noticed(0)))
        replayer = Replayer(record, stream=stream)
        assert all(replayer.replay(parse_address(f"x@0:{place}")).equal for place in (0, 7, len(samples) - 1))
    assert found[0] == found[1]
