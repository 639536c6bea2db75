"""What it costs to verify a ledger: the log alone, and with all that its entries commit to and speak of.

A log of a million runs that ended, verified in processes of their own for their peak memory, hashing alone in
between: two SHA-256 an entry (its leaf, and a node) by `hashlib`. CPU time.

- log: the checkpoint's signature, every entry and tile hashed again, every entry read in its one spelling;
- all: and every payload compared with its entry's commitment, and with the journal of the run that it names;
- receipt: one receipt verified, its signature, its proof and what it says.

    python benchmarks/verify.py [--entries 1000000] [--rounds 5] [--folder DIR]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from capture import machine

import whence as wh
from whence.ledger import SealedRun, parse_entry
from whence.query import make_demand, verify_folder
from whence.query.logs import audit_log, read_log
from whence.query.verdicts import Tally
from whence.store import Folder, Ledger

BATCH = 50_000
RECEIPTS = 200


def make(place: pathlib.Path, count: int) -> None:
    """A ledger in which one small run is logged so many times, which is true so many times."""
    with wh.start_run("benchmark", workspace=place) as run:
        run.log_note("the only one")
    journal = run.record.journal
    ledger = Ledger(Folder(place / ".whence"))
    sealed = SealedRun(
        run_id=run.id, chain=journal.chain, event_count=len(journal.events), size_bytes=journal.size
    )
    for start in range(0, count, BATCH):
        stop = min(count, start + BATCH)
        ledger.append([sealed.statement(1_790_000_000_000 + number) for number in range(start, stop)])


def hash_only(count: int) -> float:
    """The yardstick: a leaf and a node for each entry, and nothing else; CPU seconds."""
    sha256, entry, half = hashlib.sha256, bytes(99), bytes(32)
    start = time.process_time()
    for _ in range(count):
        leaf = sha256(entry).digest()
        sha256(b"\x01" + leaf + half).digest()
    return time.process_time() - start


def verify_here(what: str, place: pathlib.Path) -> None:
    """Verify in this process; prints entries, CPU seconds and the peak of memory in MB."""
    folder = Folder(place / ".whence")
    demand, _ = make_demand()
    start = time.process_time()
    if what == "all":
        verdict = verify_folder(folder, demand=demand)
        assert verdict.holds, verdict.findings
        count = verdict.checked["openings"]
    else:
        (shard,) = Ledger(folder).shards()
        tally = Tally()
        seen = read_log(shard.name, shard.path, demand, tally)
        assert seen is not None
        audit_log(seen, tally, each=lambda _, entry: parse_entry(entry), listing=(), is_newest=False)
        assert not tally.findings, tally.findings
        count = tally.checked["entries"]
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps([count, spent, peak]))


def measure(what: str, place: pathlib.Path, rounds: int) -> None:
    """Verify again and again, hashing alone in between."""
    speeds, ratios, peaks = [], [], []
    for _ in range(rounds):
        script = [sys.executable, __file__, "--here", what, "--folder", str(place)]
        count, spent, peak = json.loads(subprocess.check_output(script))
        speeds.append(count / spent)
        ratios.append(spent / hash_only(count))
        peaks.append(peak)
    print(
        f"  {what:8} {statistics.median(speeds):10,.0f} entries/s ({min(speeds):,.0f} - {max(speeds):,.0f})"
        f"  {statistics.median(ratios):5.2f} x hashing  {max(peaks):5.0f} MB at most"
    )


def measure_receipts(place: pathlib.Path) -> None:
    """Verify receipts from all over the log."""
    (shard,) = Ledger(Folder(place / ".whence")).shards()
    receipts = [shard.prove(shard.size * number // RECEIPTS).encode() for number in range(RECEIPTS)]
    spent = []
    for receipt in receipts:
        start = time.process_time()
        assert wh.verify_receipt(receipt, keys=[shard.vkey]).holds
        spent.append(1e3 * (time.process_time() - start))
    size = max(map(len, receipts))
    print(
        f"  receipt  {statistics.median(spent):10.2f} ms ({max(spent):.2f} at worst), {size:,} bytes at most"
    )


def main() -> None:
    """Make the ledger, verify it, and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--here", choices=["log", "all"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        verify_here(arguments.here, arguments.folder)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        place = pathlib.Path(folder)
        os.environ["WHENCE_KEYS"] = str(place / "keys")
        make(place, arguments.entries)
        print(machine())
        print(f"{arguments.entries:,} entries, CPU time:")
        for what in ("log", "all"):
            measure(what, place, arguments.rounds)
        measure_receipts(place)


if __name__ == "__main__":
    main()
