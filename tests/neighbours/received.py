"""What a training step received, as it says itself, beside what the record of a run says."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

import whence as wh
from whence.vocab import sample_digest


def rows() -> wh.Stream:
    """A hundred rows to train on, each with its number."""
    columns = {"x": np.arange(300, dtype=np.float32).reshape(100, 3) / 300, "n": np.arange(100)}
    return wh.from_arrays(name="rows", **columns)


def shaken(row: dict[str, Any], *, rng: Any) -> dict[str, Any]:
    """Add a random number to a row's features."""
    return {"x": row["x"] + np.float32(rng.random()), "n": row["n"]}


class Received(list[tuple[int, list[int]]]):
    """The witness of each batch that a step was given, and the rows that it was made of, in order."""

    def note(self, batch: Any) -> None:
        """Note a batch; its field `n` says the rows."""
        self.append((sample_digest(batch), np.asarray(batch["n"]).tolist()))


def recorded(run: wh.Run) -> Received:
    """What the record says was delivered: the witness of each batch, and the rows that it traces to."""
    rows: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for point in run.exposures():
        assert point.batch is not None
        trace = run.trace(point.epoch, point.batch, point.item, repeat=point.repeat, stream=point.stream)
        (origin,) = trace.origins
        rows[point.epoch, point.repeat, point.batch].append(origin.row)
    found = Received()
    for view in run.passes:
        outputs = run.record.digests(view.number).outputs
        for batch in range(view.first, view.delivered):
            found.append((int(outputs[batch]), rows[view.epoch, view.repeat, batch]))
    return found
