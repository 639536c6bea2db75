"""One process or many: the same samples, in the same order, with the same record of all of it."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.building import Builder
from tests.oracle.laws import assert_same
from tests.oracle.operations import OPERATIONS
from tests.oracle.plans import Done, walk
from tests.oracle.readings import Pipeline, Reading, Workshop, read_all, recorded
from tests.strategies import pipelines
from whence.lineage import Expansion, Mapping, Related, Selection
from whence.runs import RunRecord
from whence.runs.decisions import Decisions


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with Workshop() as made:
        yield made


def facts_of(record: RunRecord, readings: list[Reading]) -> list[Any]:
    """All that a record holds of complete passes, in words that can be compared."""
    found: list[Any] = []
    if all(reading.is_complete for reading in readings):
        for source in record.sources:
            found.append([source.name, source.digests, source.part_rows, source.snapshot])
    for view in record.passes:
        if not view.is_complete:
            continue
        stream = record.streams[view.stream]
        decisions = record.decisions(view.number)
        found.append([counts[1:] for counts in view.nodes])
        found.append(list(record.set_aside(view.number)))
        for index, node in enumerate(stream.nodes):
            if index in decisions:
                kind = node.get("mapping", "rows")
                found.append([index, kind, *_decided(kind, len(node["inputs"]), decisions[index])])
    return found


def _decided(kind: str, inputs: int, decided: Decisions) -> Iterator[Any]:
    if kind == "selection":
        yield _spelled(Selection(decided.selection()))
        witnesses = decided.witnesses()
        if witnesses is not None:
            kept = Selection(decided.selection())
            every = np.arange(kept.in_size)
            yield witnesses.of(np.setdiff1d(every, kept.backward(np.arange(kept.out_size)).indices)).tolist()
    elif kind == "expansion":
        yield _spelled(Expansion(decided.counts()))
    elif kind == "relation":
        for relation in decided.relations([1 << 40] * inputs):
            yield _spelled(Related(relation))
    else:
        yield decided.row_count


def _spelled(mapping: Mapping) -> list[Any]:
    rows = mapping.backward(np.arange(mapping.out_size))
    return [mapping.in_size, mapping.out_size, rows.indptr.tolist(), rows.indices.tolist()]


def reads_ahead(pipeline: Pipeline) -> bool:
    """Tell whether an op may leave samples below it unread, which then depend on the sizes of chunks."""
    ops = [each for each in walk(pipeline.plan) if isinstance(each, Done)]
    return any(OPERATIONS[each.op].can_stop or (each.op, each.args) == ("repeat", (0,)) for each in ops)


def read_with(pipeline: Pipeline, folder: pathlib.Path, workers: int) -> tuple[list[Reading], RunRecord]:
    stream = Builder(folder).build(pipeline.plan).with_workers(workers)
    with recorded(pipeline, folder) as run:
        readings = read_all(stream, pipeline)
    return readings, run.record


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines(), workers=st.sampled_from([1, 2, 4]))
def test_samples_order_and_record_are_the_same(workshop: Workshop, pipeline: Pipeline, workers: int) -> None:
    with workshop.folder() as folder:  # one for both: what is told of a failure names the file
        alone, record = read_with(pipeline, folder, 0)
        helped, again = read_with(pipeline, folder, workers)
        assert_same(pipeline, alone, record, helped, again)
        if not reads_ahead(pipeline):
            assert facts_of(record, alone) == facts_of(again, helped)
