"""Write tests/vectors/merkle.json: `python -m tests.rooms.ledger.make_vectors > tests/vectors/merkle.json`.

100 claims of inclusion and 100 of consistency, about half of them true, with the verdict that the definitions
of RFC 6962 give (`slow`); nothing of whence makes or judges them. Entries are those of `slow.some_entries`;
hashes are hexadecimal.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tests.rooms.ledger.mutants import MUTATIONS, Claim, true_consistency, true_inclusion
from tests.rooms.ledger.slow import mth, some_entries

COUNT = 100
SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 64, 100, 255, 256, 257, 300]


def inclusions() -> Iterator[Claim]:
    for size in SIZES:
        entries = some_entries(size)
        for index in sorted({0, size // 2, size - 1}):
            yield true_inclusion(entries, index)


def consistencies() -> Iterator[Claim]:
    yield true_consistency([], 0)
    for size in SIZES:
        entries = some_entries(size)
        for old_size in sorted({0 if size < 4 else 1, size // 2, size - 1 or 1, size}):
            yield true_consistency(entries, old_size)


def cases(trues: list[Claim], chance: random.Random) -> Iterator[dict[str, Any]]:
    """True claims as they are, then one false one of every mutation, and again until there are enough."""
    kept = trues if len(trues) <= COUNT // 2 else chance.sample(trues, COUNT // 2)
    for claim in kept:
        yield spelled(claim, "true")
    left = COUNT - len(kept)
    while left:
        for name, mutate in MUTATIONS.items():
            false = next(
                (
                    mutant
                    for _ in range(1_000)
                    if not (mutant := mutate(chance.choice(trues), chance.choice(trues), chance)).is_true()
                ),
                None,
            )
            if false is not None and left:
                left -= 1
                yield spelled(false, name)


def spelled(claim: Claim, what: str) -> dict[str, Any]:
    parts = {
        name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(claim).items()
    }
    return {"what": what, **parts, "proof": [each.hex() for each in claim.proof], "valid": claim.is_true()}


def main() -> None:
    """Write the vectors to standard output."""
    chance = random.Random(6962)
    vectors = {
        "about": "Proofs of RFC 6962 trees and proofs that aren't; entry i is the decimal i, i % 5 times.",
        "roots": [{"size": size, "root": mth(some_entries(size)).hex()} for size in [0, *SIZES]],
        "inclusion": list(cases(list(inclusions()), chance)),
        "consistency": list(cases(list(consistencies()), chance)),
    }
    json.dump(vectors, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
