"""Which of a run's delivered samples are replayed: chosen evenly over all its passes, by a seed."""

from __future__ import annotations

import numpy as np

from whence.chance import permutation
from whence.errors import NotFoundError
from whence.lineage import Origins
from whence.query import Address, PassLineage
from whence.vocab import key64
from whence.workspace import Run


def random_addresses(run: Run, count: int, seed: int) -> list[Address]:
    """Choose delivered samples that stand, each at most once.

    Args:
        run: the run.
        count: how many; all of them where there are fewer.
        seed: the same seed chooses the same samples.

    Returns:
        Their addresses, in the order in which they were delivered.

    Raises:
        NotFoundError: nothing was delivered.

    Cost: for each pass that of counting the items of its batches; no samples are made.
    """
    passes = [PassLineage(run.record, view) for view in run.passes if view.kept > view.first]
    ends = [np.cumsum(_item_counts(lineage)) for lineage in passes]
    totals = np.cumsum([int(end[-1]) if len(end) else 0 for end in ends])
    if not len(totals) or not totals[-1]:
        raise NotFoundError(f"run {run.name} delivered no sample", remedy="Ask for another run: whence runs")
    size = int(totals[-1])
    order = permutation(size, key64("whence replay", seed))
    chosen = np.sort(order.backward(np.arange(min(count, size), dtype=np.int64)))
    found = []
    for position in chosen.tolist():
        number = int(np.searchsorted(totals, position, side="right"))
        within = position - (int(totals[number - 1]) if number else 0)
        output = int(np.searchsorted(ends[number], within, side="right"))
        item = within - (int(ends[number][output - 1]) if output else 0)
        found.append(_address(passes[number], output, item))
    return found


def _item_counts(lineage: PassLineage) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Count the items of each output delivered that stands: the samples of a batch, or one."""
    stream = lineage.stream
    positions = np.arange(lineage.view.first, lineage.view.kept, dtype=np.int64)
    if lineage.node(stream.items_at)["kind"] != "batch":
        return np.ones(len(positions), np.int64)
    index = stream.top
    while index != stream.items_at:
        positions = lineage.mappings(index)[0].backward(positions).indices
        index = lineage.inputs(index)[0]
    items: Origins = lineage.mappings(index)[0].backward(positions)
    return np.diff(items.indptr).astype(np.int64)


def _address(lineage: PassLineage, output: int, item: int) -> Address:
    view, stream = lineage.view, lineage.stream
    has_batches = lineage.node(stream.items_at)["kind"] == "batch"
    return Address(
        run=lineage.record.name,
        stream=stream.name if len({each.name for each in lineage.record.streams}) > 1 else None,
        epoch=view.epoch,
        repeat=view.repeat,
        batch=view.first + output,
        item=item if has_batches else None,
    )
