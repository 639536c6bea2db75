"""A training that does everything that is recorded, and remembers each call that returned."""

from __future__ import annotations

import pathlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import whence as wh
from whence.query import delivered_items
from whence.query.following import lineage_of

ROWS = 3_000
SIZE = 200
EPOCHS = 3


@dataclass(slots=True, kw_only=True)
class Returned:
    """What returned, in order.

    Args:
        points: of metrics, by key: step and value.
        notes: their texts.
        contents: of artifacts and models, by name.
        batches: by epoch, what was received.
        tags: of the run.
    """

    points: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    batches: dict[int, list[list[int]]] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)


def stream() -> wh.Stream:
    """Batches of rows, of which the data decide."""
    rows = wh.from_items(list(range(ROWS)), name="rows")
    return rows.filter(is_wanted, reason="a fifth").shuffle(seed=3, window=64).batch(SIZE).named("train")


def is_wanted(row: int) -> bool:
    """All but each fifth."""
    return row % 5 != 0


def train(run: wh.Run, told: Returned, *, at: Callable[[str], None] = lambda what: None) -> None:
    """Train for some epochs.

    Args:
        run: is written.
        told: remembers what returned.
        at: is told what comes next.
    """
    chance, batches = random.Random(5), stream()
    for epoch in range(EPOCHS):
        received = told.batches.setdefault(epoch, [])
        for number, batch in enumerate(batches.epoch(epoch)):
            received.append([int(row) for row in batch])
            at(f"batch {epoch}.{number}")
            run.log_metric("loss", number / 7, step=number)
            told.points.setdefault("loss", []).append((number, number / 7))
            run.log_metrics({"a": number, "b": -number}, step=number)
            for key, sign in (("a", 1), ("b", -1)):
                told.points.setdefault(key, []).append((number, float(sign * number)))
            if number % 3 == 0:
                note = f"note {epoch}.{number}"
                run.log_note(note)
                told.notes.append(note)
            if number % 5 == 0:
                name, text = f"text {epoch}.{number}", f"{number}" * 200
                run.log_text(text, name)
                told.contents[name] = text.encode()
        at(f"epoch {epoch}")
        weights = chance.randbytes(90_000)
        run.log_model(f"model-{epoch}", weights)
        told.contents[f"model-{epoch}"] = weights
        run.set_tag("epoch", epoch)
        told.tags["epoch"] = epoch


def check_all(folder: pathlib.Path, run_id: str, told: Returned) -> None:
    """All that returned is there, and nothing else."""
    workspace = wh.open(folder)
    run = workspace.run(run_id)
    assert run.notes == told.notes
    assert run.tags == told.tags
    for key, points in told.points.items():
        history = run.history(key)
        assert list(zip(history.step.tolist(), history.value.tolist(), strict=True)) == points, key
    assert set(run.metrics) == set(told.points)
    named = {each["name"]: each["digest"] for each in (*run.artifacts, *run.models)}
    assert named.keys() == told.contents.keys()
    for name, digest in named.items():
        found = run.record.read_object(bytes.fromhex(digest.removeprefix("sha256:")))
        assert found == told.contents[name], name
    check_deliveries(run, told)


def check_deliveries(run: wh.Run, told: Returned) -> None:
    """What was received is what the record says, batch by batch, and it knows of what each was made."""
    views = {view.epoch: view for view in run.passes}
    assert views.keys() == {epoch for epoch, batches in told.batches.items() if batches}
    for epoch, batches in told.batches.items():
        view = views[epoch]
        assert (view.delivered, view.first) == (len(batches), 0)
        lineage = lineage_of(run.record, view)
        assert lineage.known == len(batches)
        assert len(list(delivered_items(lineage))) == sum(map(len, batches))
        for number, batch in enumerate(batches):
            trace = run.trace(epoch=epoch, batch=number)
            assert trace.complete
            assert sorted(origin.row for origin in trace.origins) == sorted(batch)


def is_beginning(found: list[Any], whole: list[Any]) -> bool:
    """Whether something is how another thing begins."""
    return whole[: len(found)] == found
