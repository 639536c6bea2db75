"""Ledgers as tests make them, and what every one of them is held against, whatever befell it."""

from __future__ import annotations

import os
import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence

from whence.ledger import WIDTH, Opening, Statement, audit, check_note, parse_entry, parse_vkey
from whence.store import Folder, KeyRing, Ledger, LoggedAt, Shard

NOW_MS = 1_767_225_600_000  # the first of January 2026


def ledger_in(path: pathlib.Path, *, keys: pathlib.Path | None = None, now_ms: int = NOW_MS) -> Ledger:
    """The ledger of a workspace below a folder, whose keys lie beside the workspace."""
    ring = KeyRing(path / "keys" if keys is None else keys)
    return Ledger(Folder(path / ".whence"), ring, project="", origin="log.example", now_ms=lambda: now_ms)


def said(*texts: str) -> list[Statement]:
    """Statements with these texts as their payloads."""
    return [Statement("run", NOW_MS, text.encode()) for text in texts]


def texts_of(ledger: Ledger) -> list[str]:
    """The payloads of all runs that are logged, in order, each found by its own entry."""
    return [text for shard in ledger.shards() for _, text in texts_in(shard)]


def texts_in(shard: Shard) -> Iterator[tuple[LoggedAt, str]]:
    """Where the payloads of a shard's runs are, and what they are."""
    openings = openings_of(shard)
    for index, entry in shard.entries():
        opening, parsed = openings[index], parse_entry(entry)
        if parsed.kind == "run" and opening is not None:
            parsed.check_opening(opening)
            yield LoggedAt(shard.name, index), opening.payload.decode()


def openings_of(shard: Shard) -> list[Opening | None]:
    """All openings of a shard."""
    return [each for bundle in range(-(-shard.size // WIDTH)) for each in shard.openings(bundle)]


def files_of(shard: Shard) -> list[str]:
    """The paths of a shard's files that are part of a log."""
    tiles = [path.relative_to(shard.path).as_posix() for path in shard.path.glob("tile/**/*")]
    return ["checkpoint", *(path for path in tiles if (shard.path / path).is_file())]


def check_whole(ledger: Ledger) -> None:
    """Every shard is signed by its key and hashes to its root, all openings are there, and nothing else."""
    for shard in ledger.shards():
        note, _ = check_note(shard.checkpoint(), [parse_vkey(shard.vkey)])
        assert note.text == shard.tree.text
        found = audit(shard.read, shard.tree, listing=files_of(shard))
        assert found.holds, found.findings
        openings = openings_of(shard)
        for index, entry in shard.entries():
            opening = openings[index]
            assert opening is not None
            parse_entry(entry).check_opening(opening)
            if index % 200 == 0:
                shard.prove(index).check_entry(entry)
    left = [path for path in ledger.path.rglob(".*") if path.is_file() or path.parent == ledger.path]
    assert not left, left


def check_once(ledger: Ledger, acknowledged: Sequence[str], attempted: Sequence[str]) -> None:
    """Each that was acknowledged is logged once, no other more than once, and nothing that nobody said."""
    check_whole(ledger)
    counts = Counter(texts_of(ledger))
    assert not {text for text, count in counts.items() if count > 1}
    assert set(acknowledged) <= counts.keys() <= set(attempted)


def bytes_below(folder: pathlib.Path) -> bytes:
    """All bytes of all files below a folder."""
    paths = [pathlib.Path(above, name) for above, _, names in os.walk(folder) for name in names]
    return b"\n".join(path.read_bytes() for path in paths)
