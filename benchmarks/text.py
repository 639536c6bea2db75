"""Text curation, from JSON lines to Parquet: by hand-written generators, by whence, with workers.

    normalise -> length filter -> exact dedup -> sentences -> tokens -> Parquet

All ways are run one after another, again and again, and compared within each round. Wall time is what is
wanted of several processes, and CPU time says why: that of the first process and of all its workers apart.
whence records the job in a run: its lineage, or the digests of all samples too (`full`). Before anything is
timed, what all ways write is compared.

    python benchmarks/text.py [--rounds 5] [--documents 200000] [--workers 2 ...] [--json]

Data: the 175 instructions of tests/data/seed_tasks.jsonl with their answers, put together and varied, one in
ten a repetition of another.
"""

from __future__ import annotations

import argparse
import functools
import json
import pathlib
import random
import re
import resource
import statistics
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from capture import machine

import whence as wh

Doc = dict[str, Any]
Job = Callable[[pathlib.Path, pathlib.Path], int]

ROOT = pathlib.Path(__file__).parents[1]
ROW_GROUP = 16_384
SPACE = re.compile(r"\s+")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")
TOKEN = re.compile(r"\w+|[^\w\s]")
BOUNDS = {1: 1.0, 2: 1.7}


def normalise(doc: Doc) -> Doc:
    """One form of Unicode, one space between words."""
    text = SPACE.sub(" ", unicodedata.normalize("NFC", doc["text"])).strip()
    return {"id": doc["id"], "text": text}


def is_long_enough(doc: Doc) -> bool:
    """Neither a fragment nor a book."""
    return 40 <= len(doc["text"]) <= 5_000


def sentences(doc: Doc) -> list[Doc]:
    """A sample for each sentence."""
    return [
        {"id": doc["id"], "number": number, "text": text}
        for number, text in enumerate(SENTENCE.split(doc["text"]))
    ]


def tokens(sentence: Doc) -> Doc:
    """Words and signs, in small letters."""
    found = TOKEN.findall(sentence["text"].lower())
    return {"id": sentence["id"], "number": sentence["number"], "tokens": found, "length": len(found)}


def by_generators(source: pathlib.Path, target: pathlib.Path) -> int:
    """The job as one writes it by hand."""
    with source.open(encoding="utf-8") as lines:
        documents = (json.loads(line) for line in lines)
        normalised = (normalise(doc) for doc in documents)
        kept = (doc for doc in normalised if is_long_enough(doc))
        split = (sentence for doc in once(kept) for sentence in sentences(doc))
        return written((tokens(sentence) for sentence in split), target)


def once(documents: Iterable[Doc]) -> Iterator[Doc]:
    """Each text once."""
    seen: set[str] = set()
    for doc in documents:
        if doc["text"] not in seen:
            seen.add(doc["text"])
            yield doc


def written(samples: Iterable[Doc], target: pathlib.Path) -> int:
    """Parquet, a row group at a time."""
    writer: pq.ParquetWriter | None = None
    waiting: list[Doc] = []
    count = 0

    def write() -> None:
        nonlocal writer
        table = pa.Table.from_pylist(waiting)
        if writer is None:
            writer = pq.ParquetWriter(target, table.schema)
        writer.write_table(table)

    for sample in samples:
        waiting.append(sample)
        count += 1
        if len(waiting) == ROW_GROUP:
            write()
            waiting = []
    if waiting:
        write()
    if writer is not None:
        writer.close()
    return count


def by_whence(
    source: pathlib.Path, target: pathlib.Path, workers: int, record: Literal["lineage", "full"]
) -> int:
    """The same as a stream, in a run."""
    stream = (
        wh.from_jsonl(source)
        .map(normalise)
        .filter(is_long_enough, reason="length")
        .dedup("text")
        .flat_map(sentences)
        .map(tokens)
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        wh.config(record=record),
        wh.start_run("text", workspace=folder),
    ):
        return stream.to_parquet(target, workers=workers)


def make_documents(path: pathlib.Path, count: int) -> None:
    """Write documents made of the instructions and answers that there are."""
    rng = random.Random(1)
    tasks = [json.loads(line) for line in (ROOT / "tests/data/seed_tasks.jsonl").read_text().splitlines()]
    texts = [task["instruction"] for task in tasks]
    texts += [each["output"] for task in tasks for each in task["instances"] if len(each["output"]) < 2_000]
    made: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            if made and rng.random() < 0.1:
                text = made[rng.randrange(len(made))]
            else:
                parts = rng.sample(texts, rng.randint(1, 4))
                parts.insert(rng.randint(0, len(parts)), f"Note {rng.randrange(count * 4)}.")
                text = rng.choice(["  ", "\n", " \t "]).join(parts) if rng.random() < 0.97 else "ok"
                made.append(text)
            file.write(json.dumps({"id": number, "text": text, "source": "seed"}) + "\n")


def seconds_of(job: Job, source: pathlib.Path, target: pathlib.Path) -> dict[str, float]:
    """How long it takes, and the CPU time of this process and of its workers."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    began = time.perf_counter()
    job(source, target)
    wall = time.perf_counter() - began
    own_after, after = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"wall": wall, "own": _cpu(own_after) - _cpu(own), "workers": _cpu(after) - _cpu(others)}


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def compare(jobs: dict[str, Job], source: pathlib.Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Run all ways in turn, the order turned round in every other round."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in jobs}
    with tempfile.TemporaryDirectory() as folder:
        tables = []
        for name, job in jobs.items():
            target = pathlib.Path(folder, "out.parquet")
            job(source, target)  # the first time warms caches, and shows that all do the same
            tables.append(pq.read_table(target))
            if not tables[0].equals(tables[-1]):
                raise SystemExit(f"{name} writes something else")
        for number in range(rounds):
            for name in list(jobs) if number % 2 else list(reversed(jobs)):
                found[name].append(seconds_of(jobs[name], source, pathlib.Path(folder, "out.parquet")))
    return found


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--workers", type=int, nargs="*", default=[2])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    jobs: dict[str, Job] = {"generators": by_generators}
    by_name: dict[str, int] = {}
    for workers in (0, *options.workers):
        for record in ("lineage", "full"):
            name = f"{record}, {workers or 'no'} workers"
            by_name[name] = workers
            jobs[name] = functools.partial(by_whence, workers=workers, record=record)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "documents.jsonl")
        make_documents(source, options.documents)
        found = compare(jobs, source, options.rounds)
    rows = [_row(name, found, by_name.get(name), options.documents) for name in jobs]
    if options.json:
        print(json.dumps({"machine": machine(), "rounds": options.rounds, "rows": rows}, indent=2))
        return 0
    print(machine())
    print(f"{options.rounds} rounds, interleaved; medians\n")
    print(
        f"{'way':20} {'speed':>6} {'low':>6} {'wanted':>7} {'wall s':>7} {'CPU s':>7} {'first %':>8} µs/doc"
    )
    for row in rows:
        print(
            f"{row['way']:20} {row['speed']:6.2f} {row['low']:6.2f} {row['wanted'] or '':>7} "
            f"{row['wall']:7.2f} {row['cpu']:7.2f} {100 * row['first_share']:8.1f} "
            f"{row['us_per_document']:6.1f}"
        )
    return 0


def _row(
    name: str, found: dict[str, list[dict[str, float]]], workers: int | None, documents: int
) -> dict[str, Any]:
    own = found[name]
    speeds = [base["wall"] / each["wall"] for base, each in zip(found["generators"], own, strict=True)]
    cpu = [each["own"] + each["workers"] for each in own]
    return {
        "way": name,
        "speed": statistics.median(speeds),
        "low": min(speeds),
        "wanted": None if workers is None else BOUNDS.get(max(1, workers)),
        "wall": statistics.median(each["wall"] for each in own),
        "cpu": statistics.median(cpu),
        "first_share": statistics.median(each["own"] / total for each, total in zip(own, cpu, strict=True)),
        "us_per_document": statistics.median(each["wall"] for each in own) / documents * 1e6,
    }


if __name__ == "__main__":
    sys.exit(main())
