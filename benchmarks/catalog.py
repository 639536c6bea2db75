"""Finding runs among very many: a page, conditions, search and the making of the catalog.

Writes a workspace of runs. Some of them are written by the writer of runs, each with parameters, tags, the
environment of this process, and metrics of two points each; of each of them a hundred are told: the same
frames in folders of their own, with an id, times, a title, parameters and tags of their own, committed to and
chained anew, as docs/reference/format.md says. So all of them check, and a hundred thousand take minutes.
Then asks, in one process, question after question in turn, and says how long each took.

    python benchmarks/catalog.py --folder FOLDER [--runs 100000] [--metrics 50] [--rounds 11]
                                 [--write [--part 0/2] | --ask]

`--write` only writes the runs that are missing, by several processes at once if each is told its part, and
`--ask` leaves the catalog as it is.
"""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
import random
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable

import whence as wh
from whence.capture import environment
from whence.runs import friendly_name, make_run_id
from whence.store import Folder, RunWriter, decode_content, encode_content, scan_frames
from whence.vocab import digest_bytes, plain

BEGAN_MS = 1_790_000_000_000
TOLD = 100
BODY = 1
SETTLES_S = 2.5
TEAMS = ("vision", "speech", "ranking", "weather")
MODELS = ("resnet", "conformer", "tower", "unet")
WHERE = "metrics.val_acc > 0.9 and params.lr <= 0.01 and tags.team = 'vision'"


def write_told(folder: Folder, number: int, metrics: int, described: object) -> pathlib.Path:
    """Write one run by the writer of runs, whole."""
    chance = random.Random(number)
    clock = iter(range(BEGAN_MS * 1_000_000, 1 << 62, 1_000_000))
    run_id = make_run_id(BEGAN_MS, chance.randbytes(10))
    writer = RunWriter(folder, run_id, now_ns=lambda: next(clock))
    writer.append("run_start", {"name": friendly_name(run_id)}, {"title": ""})
    writer.append("environment", {}, {"environment": described})
    writer.append("params", {}, {"params": {}})
    writer.append("tags", {}, {"tags": {}})
    names = ["val_acc", "loss", *(f"layer{each}/norm" for each in range(metrics - 2))]
    for step in range(2):
        writer.log_points([(name, chance.random()) for name in names], step)
    if number % 10 == 0:
        digest = writer.put_object(chance.randbytes(100))
        body = {"name": MODELS[number % len(MODELS)], "digest": digest, "bytes": 100, "metadata": {}}
        writer.append("model", {}, body)
    writer.seal("finished", {"wall_s": 1.0, "cpu_s": 1.0, "peak_memory_bytes": 1})
    return writer.path


class Template:
    """A run that others are told after."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.journal = [(frame.kind, frame.payload) for frame in scan_frames(path / "journal").frames]
        self.payloads = [(frame.kind, frame.payload) for frame in scan_frames(path / "payloads").frames]

    def tell(self, folder: Folder, number: int) -> None:
        """Write one run after it, unless it is there."""
        chance = random.Random(-1 - number)
        later_ms = 60_000 * (1 + number)
        run_id = make_run_id(BEGAN_MS + later_ms, chance.randbytes(10))
        path = folder.run_path(run_id)
        if path.exists():
            return
        team = number % len(TEAMS)
        model = {"name": MODELS[team], "depth": 18}
        params = {"lr": 10 ** chance.uniform(-4, -1), "seed": number, "batch": 2 ** chance.randint(4, 9)}
        params |= {"optimizer": chance.choice(("adam", "sgd")), "model": model}
        bodies = {
            "run_start": {"title": f"{MODELS[team]} {number // 100}"},
            "params": {"params": params},
            "tags": {"tags": {"team": TEAMS[team], "fold": number % 5}},
        }
        told: dict[int, bytes] = {}
        journal = []
        for kind, payload in self.journal:
            event = decode_content(payload)
            event["at"] += later_ms * 1_000_000
            if event["k"] in bodies:
                salt, body = chance.randbytes(16), encode_content(bodies[event["k"]])
                event["c"] = digest_bytes(salt + body)
                told[event["n"]] = encode_content({"n": event["n"], "s": salt, "b": body})
            if event["k"] == "run_start":
                event["p"]["name"] = friendly_name(run_id)
            journal.append((kind, encode_content(event)))
        payloads = [
            (kind, told.get(decode_content(payload)["n"], payload) if kind == BODY else payload)
            for kind, payload in self.payloads
        ]
        making = path.with_name(f".{run_id}")
        shutil.copytree(self.path / "segments", making / "segments")
        (making / "journal").write_bytes(framed("journal", journal))
        (making / "payloads").write_bytes(framed("payload", payloads))
        making.rename(path)


def framed(purpose: str, frames: list[tuple[int, bytes]]) -> bytes:
    """Spell a framed file."""
    head = b"whence\x00\x01" + purpose.encode().ljust(8, b"\x00")
    chain, parts = digest_bytes(head), [head]
    for kind, payload in frames:
        covered = struct.pack("<IHH", len(payload), kind, 0) + payload
        chain = digest_bytes(chain + covered)
        parts.append(b"\xf7WHF" + covered[:8] + struct.pack("<I", zlib.crc32(covered)) + chain + payload)
    return b"".join(parts)


def write(folder: Folder, runs: int, metrics: int, part: str) -> None:
    """Write the runs of one part."""
    index, count = map(int, part.split("/"))
    described = plain(environment())
    described["git"]["diff"] = ""  # the only part of it that may be large
    folder.make()
    with tempfile.TemporaryDirectory() as place:
        written = Folder(pathlib.Path(place))
        for first in range(index, max(1, runs // TOLD), count):
            template = Template(write_told(written, first, metrics, described))
            for number in range(first, runs, max(1, runs // TOLD)):
                template.tell(folder, number)


def rebuild(workspace: wh.Workspace) -> None:
    """Make the catalog, and print how long that took."""
    began = time.perf_counter(), time.process_time()
    count = workspace.rebuild()
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    journal_frames, bodies, totals = count_events(workspace, count)
    events = journal_frames + bodies + totals
    print(f"rebuild: {count:,} runs, {events:,} events ({journal_frames:,} of journals, {bodies:,} bodies,")
    print(f"  {totals:,} summaries of metrics): {wall:.1f} s, CPU {cpu:.1f} s")
    print(f"  {events / wall:,.0f} events/s, {events / cpu:,.0f} by CPU time")
    print(f"  catalog {(workspace.path / 'catalog.sqlite').stat().st_size / 1e6:,.0f} MB")


def ask(path: pathlib.Path, workspace: wh.Workspace, rounds: int) -> None:
    """Ask in turn, and print the median, the least and the most of each question."""
    newest = workspace.summaries(limit=1)[0]["name"]
    cursor = workspace.page(sort="-metrics.val_acc", limit=20).following
    questions: dict[str, Callable[[], object]] = {
        "page of 20": lambda: workspace.page(limit=20),
        "where, sorted, 20": lambda: workspace.page(WHERE, sort="-metrics.val_acc", limit=20),
        "the next 20 sorted": lambda: workspace.page(sort="-metrics.val_acc", limit=20, after=cursor),
        "like, or, not": lambda: workspace.page(
            "title like 'unet 9%' or not (params.model.depth = 18 or tags.fold in (1, 2))", limit=20
        ),
        "search of a rare word": lambda: workspace.search("unet 777"),
        "search of a common word": lambda: workspace.search("vision adam"),
        "run by name": lambda: workspace.find_id(newest),
        "versions of a model": lambda: workspace.models("resnet"),
        "count by status": workspace.count_by_status,
    }  # fmt: skip
    print("nothing was begun for a while")
    time.sleep(SETTLES_S)
    in_turn(questions, rounds)
    print("a run was begun just now, anew before each question")
    begun = ("page of 20", "where, sorted, 20")
    in_turn({name: question for name, question in questions.items() if name in begun}, rounds, path / "runs")
    print("whole commands")
    time.sleep(SETTLES_S)
    program = [sys.executable, "-m", "whence", "-w", str(path)]
    lines = [
        ["--version"],
        ["runs"],
        ["runs", "--where", WHERE, "--sort", "-metrics.val_acc"],
        ["search", "unet 777"],
    ]
    commands = {
        " ".join(["whence", *line])[:24]: functools.partial(
            subprocess.run, [*program, *line], check=True, stdout=subprocess.DEVNULL
        )
        for line in lines
    }
    in_turn(commands, rounds)


def in_turn(
    questions: dict[str, Callable[[], object]], rounds: int, touched: pathlib.Path | None = None
) -> None:
    """Ask all questions in turn, again and again; print medians of wall and CPU time, and the extremes."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in questions}
    for _ in range(rounds):
        for name, question in questions.items():
            if touched is not None:
                os.utime(touched)
            start, cpu = time.perf_counter(), cpu_s()
            question()
            took[name].append((time.perf_counter() - start, cpu_s() - cpu))
    for name, times in took.items():
        walls, cpus = zip(*times, strict=True)
        ends = f"{min(walls) * 1e3:.1f} to {max(walls) * 1e3:.1f}"
        middle = statistics.median(walls) * 1e3
        print(f"  {name:<26} {middle:8.1f} ms   CPU {statistics.median(cpus) * 1e3:8.1f} ms   ({ends})")


def cpu_s() -> float:
    """The CPU time of this process and of those that it waited for."""
    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + waited.ru_utime + waited.ru_stime


def count_events(workspace: wh.Workspace, runs: int) -> tuple[int, int, int]:
    """Count what is read of the runs, in a hundred of them: frames of journals, bodies, sums of metrics."""
    some = workspace.runs(limit=100)
    events = [event for run in some for event in run.record.journal.events]
    bodies = sum(event.body is not None for event in events)
    totals = sum(len(run.metrics) for run in some)
    each = runs / len(some)
    return round(len(events) * each), round(bodies * each), round(totals * each)


def main() -> None:
    """Write, or measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--metrics", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--ask", action="store_true")
    parser.add_argument("--part", default="0/1")
    arguments = parser.parse_args()
    folder = Folder.find(arguments.folder)
    if arguments.write:
        write(folder, arguments.runs, arguments.metrics, arguments.part)
        return
    workspace = wh.open(folder.path)
    if not arguments.ask:
        rebuild(workspace)
    ask(folder.path, workspace, arguments.rounds)


if __name__ == "__main__":
    main()
