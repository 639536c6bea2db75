"""What the Merkle arithmetic of the ledger costs: growing, proving, checking, and auditing a whole log.

Everything is measured beside the hashing that nothing can do without, made by `hashlib` alone in the same
minute: two SHA-256 an entry (its leaf, and a node), interleaved, CPU time. Entries are 150 bytes, as those of
runs are.

- append: leaves hashed, the tree grown and its tiles made in memory, in batches and one by one;
- prove: a proof of inclusion made from tiles in memory and on the disk, each tile checked against the root;
- check: that proof checked; and the same of consistency;
- audit: the whole log read from the disk and hashed again, in a process of its own for its peak memory.

    python benchmarks/merkle.py [--entries 1000000] [--rounds 7] [--folder DIR]
"""

from __future__ import annotations

import argparse
import hashlib
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import TypeVar

from capture import machine

from whence.ledger import (
    WIDTH,
    Checkpoint,
    Grower,
    Growth,
    HashReader,
    audit,
    check_consistency,
    check_inclusion,
    consistency_proof,
    encode_bundle,
    entries_path,
    inclusion_proof,
    leaf_hash,
    leaf_hashes,
    paths_of,
)

ENTRY_BYTES = 150
BATCH = 4_096
SINGLES = 20_000
ASKED = 200
ORIGIN = "log.example/benchmark"

T = TypeVar("T")


def entry(index: int) -> bytes:
    """One entry; no two are alike."""
    return index.to_bytes(8) * (ENTRY_BYTES // 8)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds that something takes, and what it gives."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def hash_only(entries: list[bytes]) -> None:
    """The yardstick: a leaf and a node for each entry, and nothing else."""
    sha256 = hashlib.sha256
    half = bytes(32)
    for each in entries:
        leaf = sha256(b"\x00" + each).digest()
        sha256(b"\x01" + leaf + half).digest()


def grow(entries: list[bytes], batch: int) -> Growth:
    """Append entries in batches."""
    grower, tiles = Grower(), {}
    for start in range(0, len(entries), batch):
        growth = grower.extend(leaf_hashes(entries[start : start + batch]))
        grower = growth.grower
        tiles.update(growth.tiles)
    return Growth(grower, tiles)


def whole_tiles(grown: Growth) -> dict[str, bytes]:
    """The tiles of the log as it is, without the partial ones that it once had."""
    return {path: grown.tiles[path] for path in paths_of(grown.size) if "entries" not in path}


def write_log(folder: pathlib.Path, entries: list[bytes], grown: Growth) -> None:
    """Write the files of a log."""
    files = whole_tiles(grown)
    for start in range(0, len(entries), WIDTH):
        bundle = entries[start : start + WIDTH]
        files[entries_path(start // WIDTH, len(bundle))] = encode_bundle(bundle)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def report(name: str, seconds: list[float], count: int, yardstick: list[float]) -> None:
    """Print entries a second, and how many times the hashing alone that is."""
    ratios = [each / base for each, base in zip(seconds, yardstick, strict=True)]
    print(
        f"  {name:24} {count / statistics.median(seconds):10,.0f} entries/s"
        f"  {statistics.median(ratios):5.2f} x hashing ({min(ratios):.2f} - {max(ratios):.2f})"
    )


def measure_append(entries: list[bytes], rounds: int) -> Growth:
    """Grow the log again and again, hashing alone in between."""
    at_once: list[float] = []
    singly: list[float] = []
    base: list[float] = []
    base_few: list[float] = []
    grown = grow(entries, BATCH)
    for _ in range(rounds):
        base.append(timed(lambda: hash_only(entries))[0])
        at_once.append(timed(lambda: grow(entries, BATCH))[0])
        base_few.append(timed(lambda: hash_only(entries[:SINGLES]))[0])
        singly.append(timed(lambda: grow(entries[:SINGLES], 1))[0])
    print("append, in memory:")
    report(f"in batches of {BATCH:,}", at_once, len(entries), base)
    report("one by one", singly, SINGLES, base_few)
    return grown


def measure_proofs(folder: pathlib.Path, entries: list[bytes], grown: Growth) -> None:
    """Make and check proofs of entries all over the log, each with nothing read before."""
    size, root = grown.size, grown.root
    reads = {"memory": whole_tiles(grown).__getitem__, "disk": lambda path: (folder / path).read_bytes()}
    places = [size * number // ASKED for number in range(ASKED)]
    print("proofs, ms each (median, worst):")
    old = grow(entries[: size // 3], BATCH)
    for where, read in reads.items():
        made: list[float] = []
        for index in places:
            reader = HashReader(read, size=size, root=root)
            seconds, proof = timed(lambda r=reader, i=index: inclusion_proof(r, i, size))
            made.append(1e3 * seconds)
        tell(f"made from {where}", made)
    checked: list[float] = []
    reader = HashReader(reads["memory"], size=size, root=root)
    for index in places:
        proof = inclusion_proof(reader, index, size)
        leaf = leaf_hash(entries[index])
        seconds, _ = timed(
            lambda p=proof, i=index, h=leaf: check_inclusion(p, index=i, size=size, leaf=h, root=root)
        )
        checked.append(1e3 * seconds)
    tell("checked", checked)
    proof = consistency_proof(reader, old.size, size)
    checked = [
        1e3
        * timed(lambda: check_consistency(proof, old_size=old.size, old_root=old.root, size=size, root=root))[
            0
        ]
        for _ in places
    ]
    tell("consistency, checked", checked)


def tell(name: str, values: list[float]) -> None:
    """Print the median and the worst of some times."""
    print(f"  {name:24} {statistics.median(values):8.3f} {max(values):8.3f}")


def measure_audit(folder: pathlib.Path, entries: list[bytes], grown: Growth, rounds: int) -> None:
    """Audit the log on the disk in processes of their own, hashing alone in between."""
    seconds: list[float] = []
    base: list[float] = []
    peaks: list[float] = []
    for _ in range(rounds):
        base.append(timed(lambda: hash_only(entries))[0])
        script = [sys.executable, __file__, "--audit", str(folder), str(grown.size), grown.root.hex()]
        spent, peak = subprocess.run(script, check=True, capture_output=True, text=True).stdout.split()
        seconds.append(float(spent))
        peaks.append(float(peak))
    print("audit, from the disk:")
    report("everything hashed again", seconds, len(entries), base)
    print(f"  peak memory, MB          {max(peaks):10,.0f}, the process itself included")


def audit_here(folder: pathlib.Path, size: int, root: bytes) -> None:
    """Audit one log and print CPU seconds and the peak of memory in MB."""
    counted = [0]

    def count(index: int, each: bytes) -> None:
        counted[0] += len(each)

    listing = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    spent, result = timed(
        lambda: audit(
            lambda path: (folder / path).read_bytes(),
            Checkpoint(ORIGIN, size, root),
            each=count,
            listing=listing,
        )
    )
    assert result.holds
    assert counted[0] == size * len(entry(0))
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    status = pathlib.Path("/proc/self/status").read_text()
    peak_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    print(spent, int(peak_kb) / 1024)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--audit", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.audit:
        folder, size, root = given.audit
        audit_here(pathlib.Path(folder), int(size), bytes.fromhex(root))
        return
    print(machine())
    entries = [entry(index) for index in range(given.entries)]
    grown = measure_append(entries, given.rounds)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = pathlib.Path(name)
        write_log(folder, entries, grown)
        measure_proofs(folder, entries, grown)
        measure_audit(folder, entries, grown, given.rounds)


if __name__ == "__main__":
    main()
