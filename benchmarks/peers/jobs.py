"""One small job in the words of each peer: map, filter, shuffle, batch over records in memory.

Run in the environment of one peer, which has `whence` as well: the peer and `whence` do the job one
after the other, again and again, and one line of JSON says what each took.

    python benchmarks/peers/jobs.py PEER [--rounds 5] [--rows 100000]

Each peer does what its own documentation shows for such a job, in one process where it lets one choose.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import whence as wh

Record = dict[str, Any]
Job = Callable[[list[Record]], int]

BATCH = 64
SEED = 7


def enrich(record: Record) -> Record:
    """The map."""
    return {**record, "z": record["x"] * 2 + 1}


def wanted(record: Record) -> bool:
    """The filter: two of three."""
    return record["x"] % 3 != 0


def with_whence(records: list[Record]) -> int:
    """Recorded in full, sealing included."""
    with tempfile.TemporaryDirectory() as folder, wh.start_run("peers", workspace=folder):
        stream = wh.from_items(records).map(enrich).filter(wanted).shuffle(SEED).batch(BATCH)
        return sum(len(batch["z"]) for batch in stream)


def with_generators(records: list[Record]) -> int:
    """By hand: no library, no record."""
    order = records[:]
    random.Random(SEED).shuffle(order)
    count = 0
    waiting: list[Record] = []
    for record in filter(wanted, map(enrich, order)):
        waiting.append(record)
        if len(waiting) == BATCH:
            count += len(_stacked(waiting)["z"])
            waiting = []
    return count + (len(_stacked(waiting)["z"]) if waiting else 0)


def with_torch(records: list[Record]) -> int:
    """`torch.utils.data.DataLoader` over a map-style dataset, in this process."""
    from torch.utils.data import DataLoader, Dataset  # noqa: PLC0415 - only in its own environment

    class Records(Dataset[Record]):
        def __init__(self) -> None:
            self.kept = [record for record in map(enrich, records) if wanted(record)]

        def __len__(self) -> int:
            return len(self.kept)

        def __getitem__(self, place: int) -> Record:
            return self.kept[place]

    return sum(len(batch["z"]) for batch in DataLoader(Records(), batch_size=BATCH, shuffle=True))


def with_datasets(records: list[Record]) -> int:
    """Hugging Face `datasets`, in memory."""
    import datasets  # noqa: PLC0415 - only in its own environment

    datasets.disable_progress_bars()
    found = datasets.Dataset.from_list(records).map(enrich).filter(wanted).shuffle(seed=SEED)
    return sum(len(batch["z"]) for batch in found.with_format("numpy").iter(batch_size=BATCH))


def with_ray(records: list[Record]) -> int:
    """Ray Data on this machine; starting Ray isn't counted."""
    import ray  # noqa: PLC0415 - only in its own environment

    found = ray.data.from_items(records).map(enrich).filter(wanted).random_shuffle(seed=SEED)
    return sum(len(batch["z"]) for batch in found.iter_batches(batch_size=BATCH))


def with_grain(records: list[Record]) -> int:
    """Grain's `MapDataset`, in this process."""
    import grain  # noqa: PLC0415 - only in its own environment

    found = grain.MapDataset.source(records).shuffle(seed=SEED).map(enrich).filter(wanted)
    return sum(len(batch["z"]) for batch in found.to_iter_dataset().batch(BATCH))


def with_webdataset(records: list[Record]) -> int:
    """WebDataset's pipeline over records in memory, with its shuffle buffer."""
    import webdataset as wds  # noqa: PLC0415 - only in its own environment

    pipeline = wds.DataPipeline(
        lambda: iter(records), wds.map(enrich), wds.select(wanted), wds.shuffle(10_000),
        wds.batched(BATCH, collation_fn=_stacked),
    )  # fmt: skip
    return sum(len(batch["z"]) for batch in pipeline)


def with_datachain(records: list[Record]) -> int:
    """DataChain over values, in a database of its own."""
    import datachain as dc  # noqa: PLC0415 - only in its own environment

    columns = {name: [record[name] for record in records] for name in records[0]}
    found = dc.read_values(in_memory=True, **columns)
    found = found.map(z=lambda x: x * 2 + 1, output=int).filter(dc.C("x") % 3 != 0)
    return sum(len(batch) for batch in _groups(found.shuffle().to_iter("x", "y", "z")))


def with_beam(records: list[Record]) -> int:
    """Apache Beam's direct runner."""
    import apache_beam as beam  # noqa: PLC0415 - only in its own environment

    counts: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "count")
        with beam.Pipeline() as pipeline:
            (
                pipeline
                | beam.Create(records)
                | beam.Map(enrich)
                | beam.Filter(wanted)
                | beam.Reshuffle()
                | beam.BatchElements(min_batch_size=BATCH, max_batch_size=BATCH)
                | beam.Map(lambda batch: len(_stacked(batch)["z"]))
                | beam.CombineGlobally(sum)
                | beam.io.WriteToText(path)
            )
        for each in pathlib.Path(folder).iterdir():
            counts.append(int(each.read_text()))
    return sum(counts)


def with_datajuicer(records: list[Record]) -> int:
    """Data-Juicer's datasets with its tracer on, one process."""
    from data_juicer.core import NestedDataset, Tracer  # noqa: PLC0415 - only in its own environment
    from data_juicer.ops.base_op import Filter, Mapper  # noqa: PLC0415 - only in its own environment

    class Enrich(Mapper):
        def process_single(self, sample: Record) -> Record:
            return enrich(sample)

    class Wanted(Filter):
        def compute_stats_single(self, sample: Record, context: bool = False) -> Record:
            return sample

        def process_single(self, sample: Record) -> bool:
            return wanted(sample)

    with tempfile.TemporaryDirectory() as folder:
        tracer = Tracer(folder, show_num=len(records))
        found = NestedDataset.from_list([{**record, "text": ""} for record in records])
        for op in (Enrich(num_proc=1), Wanted(num_proc=1)):
            found = op.run(found, tracer=tracer)
        shuffled = found.shuffle(seed=SEED)
        return sum(len(batch["z"]) for batch in shuffled.iter(batch_size=BATCH))


PEERS: dict[str, Job] = {
    "generators": with_generators,
    "torch": with_torch,
    "datasets": with_datasets,
    "ray": with_ray,
    "grain": with_grain,
    "webdataset": with_webdataset,
    "datachain": with_datachain,
    "beam": with_beam,
    "datajuicer": with_datajuicer,
}


def _stacked(records: list[Record]) -> Record:
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def _groups(rows: Any) -> Iterator[list[Any]]:
    waiting: list[Any] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == BATCH:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _seconds(job: Job, records: list[Record], expected: int) -> float:
    began = time.perf_counter()
    count = job(records)
    took = time.perf_counter() - began
    if count != expected:
        raise SystemExit(f"{job.__name__} gave {count} records, wanted {expected}")
    return took


def main() -> None:
    """Measure one peer beside whence."""
    parser = argparse.ArgumentParser(description="one peer beside whence")
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    records = [{"x": number, "y": number / 7} for number in range(options.rows)]
    expected = sum(map(wanted, records))
    peer = PEERS[options.peer]
    for job in (with_whence, peer):  # both have been imported, started and warmed before they are measured
        _seconds(job, records, expected)
    pairs = [
        (_seconds(with_whence, records, expected), _seconds(peer, records, expected))
        for _ in range(options.rounds)
    ]
    ratios = sorted(theirs / ours for ours, theirs in pairs)
    found = {
        "peer": options.peer,
        "rows": options.rows,
        "rounds": options.rounds,
        "whence_us": statistics.median(ours for ours, _ in pairs) / options.rows * 1e6,
        "peer_us": statistics.median(theirs for _, theirs in pairs) / options.rows * 1e6,
        "ratio": statistics.median(ratios),
        "lowest": ratios[0],
        "highest": ratios[-1],
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
