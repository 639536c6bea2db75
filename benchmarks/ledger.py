"""What the ledger on disk costs: staging beside the bare disk, many who wait, a commit, bytes, and in bulk.

    python benchmarks/ledger.py [--rounds 7] [--entries 1000000] [--dir DIR] [--json]

- one writer that stages entries, each on the disk when its call returns, beside a probe that appends as many
  bytes to a file and calls fdatasync each time; in turn, within the same minute;
- 64 writers that wait, threads of one process and processes, each until its entry is on the disk (`stage`),
  and each until it is logged (`append`: covered by a signed checkpoint);
- a commit of one entry: its syncs, milliseconds of wall and of CPU time;
- so many entries appended in one call, and what a shard's folder then holds beyond entries, salts and
  payloads: all bytes of all its files are counted, and the room that the file system gives them beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from whence.ledger import Statement
from whence.store import Folder, KeyRing, Ledger

WRITERS = 64
EACH = 40
EACH_LOGGED = 5
CALLS = 400
PAYLOAD_BYTES = 60


def ledger_in(path: pathlib.Path) -> Ledger:
    """A ledger of its own, with its keys beside it."""
    return Ledger(Folder(path / ".whence"), KeyRing(path / "keys"), project="", origin="bench.example")


def statement(number: int) -> Statement:
    """A statement as long as that of a run."""
    return Statement("run", 1_767_225_600_000 + number, number.to_bytes(8) * (PAYLOAD_BYTES // 8))


def per_second(count: int, act: Callable[[], object]) -> float:
    """How many a second, if so many are done in one call."""
    begun = time.perf_counter()
    act()
    return count / (time.perf_counter() - begun)


def probe(path: pathlib.Path, size: int, calls: int) -> None:
    """Append and force to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    data = os.urandom(size)
    for _ in range(calls):
        os.write(descriptor, data)
        os.fdatasync(descriptor)
    os.close(descriptor)


def stage_all(ledger: Ledger, calls: int) -> None:
    """Stage one entry after another."""
    for number in range(calls):
        ledger.stage([statement(number)])


def append_all(ledger: Ledger, calls: int) -> None:
    """Log one entry after another."""
    for number in range(calls):
        ledger.append([statement(number)])


def in_threads(act: Callable[[], object]) -> None:
    """Do something in as many threads as there are writers."""
    threads = [threading.Thread(target=act) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_processes(act: Callable[[], object]) -> float:
    """Do something in as many processes; gives the seconds from when all are there until the last is done."""
    ready, go = os.pipe(), os.pipe()
    children = []
    for _ in range(WRITERS):
        child = os.fork()
        if not child:
            os.write(ready[1], b"x")
            os.close(go[1])
            os.read(go[0], 1)
            act()
            os._exit(0)
        children.append(child)
    for _ in children:
        os.read(ready[0], 1)
    begun = time.perf_counter()
    os.close(go[1])
    for child in children:
        os.waitpid(child, 0)
    taken = time.perf_counter() - begun
    for each in (*ready, go[0]):
        os.close(each)
    return taken


def measure_one(path: pathlib.Path, rounds: int) -> dict[str, Any]:
    """One writer beside the probe, in turn."""
    ledger, shares, probes = ledger_in(path), [], []
    ledger.append([statement(0)])
    frame = 360  # head, entry, salt, payload and what lies between them
    for number in range(rounds):
        bare = per_second(CALLS, lambda number=number: probe(path / f"probe-{number}", frame, CALLS))
        ours = per_second(CALLS, lambda: stage_all(ledger, CALLS))
        bare += per_second(CALLS, lambda number=number: probe(path / f"probe-{number}", frame, CALLS))
        ledger.commit()
        probes.append(bare / 2)
        shares.append(2 * ours / bare)
    return {"probe per s": statistics.median(probes), "share": statistics.median(shares), "shares": shares}


def measure_many(path: pathlib.Path, rounds: int) -> dict[str, Any]:
    """Many writers that wait, beside the probe, in turn."""
    ledger, found = ledger_in(path), dict[str, list[float]]()
    ledger.append([statement(0)])
    count, logged = WRITERS * EACH, WRITERS * EACH_LOGGED
    for number in range(rounds):
        bare = per_second(CALLS, lambda number=number: probe(path / f"p-{number}", 360, CALLS))
        speeds = {
            "threads until disk": per_second(count, lambda: in_threads(lambda: stage_all(ledger, EACH))),
            "processes until disk": count / in_processes(lambda: stage_all(ledger, EACH)),
            "threads until logged": per_second(
                logged, lambda: in_threads(lambda: append_all(ledger, EACH_LOGGED))
            ),
            "processes until logged": logged / in_processes(lambda: append_all(ledger, EACH_LOGGED)),
        }
        ledger.commit()
        for what, speed in speeds.items():
            found.setdefault(what, []).append(speed)
            found.setdefault(f"{what}, times the probe", []).append(speed / bare)
    return {what: statistics.median(each) for what, each in found.items()}


def measure_commit(path: pathlib.Path) -> dict[str, Any]:
    """A commit of one entry."""
    ledger, syncs = ledger_in(path), [0]
    ledger.append([statement(0)])
    wall, cpu = [], []
    for number in range(200):
        begun, busy = time.perf_counter(), time.process_time()
        ledger.append([statement(number)])
        wall.append(1e3 * (time.perf_counter() - begun))
        cpu.append(1e3 * (time.process_time() - busy))
    for name in ("fsync", "fdatasync"):
        setattr(os, name, counted(getattr(os, name), syncs))
    ledger.append([statement(0)])
    return {"syncs": syncs[0], "ms": statistics.median(wall), "CPU ms": statistics.median(cpu)}


def counted(real: Callable[[int], None], count: list[int]) -> Callable[[int], None]:
    """Call and count."""

    def call(descriptor: int) -> None:
        count[0] += 1
        real(descriptor)

    return call


def measure_bulk(path: pathlib.Path, entries: int) -> dict[str, Any]:
    """Many entries in one call, and what their shard's folder holds."""
    ledger = ledger_in(path)
    statements = [statement(number) for number in range(entries)]
    busy = time.process_time()
    speed = per_second(entries, lambda: ledger.append(statements))
    busy = time.process_time() - busy
    shard = ledger.current()
    assert shard is not None
    assert shard.size == entries + 1
    files = [file for file in shard.path.rglob("*") if file.is_file()]
    said = sum(len(entry) for _, entry in shard.entries())
    opened = sum(len(each.salt) + len(each.payload) for number in range(-(-shard.size // 256))
                 for each in shard.openings(number) if each is not None)  # fmt: skip
    size = sum(file.stat().st_size for file in files)
    room = sum(file.stat().st_blocks * 512 for file in files)
    return {
        "entries": entries,
        "entries per s": speed,
        "entries per s of CPU time": entries / busy,
        "bytes of an entry": said / shard.size,
        "bytes beyond it": (size - said - opened) / shard.size,
        "bytes beyond it as the file system gives room": (room - said - opened) / shard.size,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--dir", help="where; the disk that is to be measured")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        root = pathlib.Path(name)
        for part in ("one", "many", "bulk", "commit"):
            (root / part).mkdir()
        found["one writer"] = measure_one(root / "one", given.rounds)
        found[f"{WRITERS} writers"] = measure_many(root / "many", given.rounds)
        found["bulk"] = measure_bulk(root / "bulk", given.entries)
        found["a commit of one"] = measure_commit(root / "commit")
    if given.json:
        print(json.dumps(found))
        return
    for title, values in found.items():
        print(title)
        for what, value in values.items():
            print(f"  {what:<48} {value if isinstance(value, list | int) else round(value, 2)}")


if __name__ == "__main__":
    main()
