"""Write tests/vectors/chance.json: `python -m tests.rooms.chance.make_vectors > tests/vectors/chance.json`.

Whoever needs to run this has changed what every recorded run would draw again; that takes an ADR.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from whence.chance import draw, permutation, words
from whence.vocab import key64

KEY, EPOCH = key64("vectors"), 2
IDS = [0, 1, 2, 3, 4, 5, 1_000, 2**32 - 1, 2**32, 2**63, 2**64 - 1, *range(100, 121)]
DRAWS = [
    draw.uniform(),
    draw.uniform(-1.5, 2.5),
    draw.integers(-2, 3),
    draw.integers(-(2**63), 2**62 + 1),
    draw.normal(),
    draw.normal(10.0, 0.25),
    draw.choice(["left", None, 3]),
    draw.coin(0.25),
]
SIZES = [1, 10, 1_000, 65_536, 65_537, 1_000_003, 2**40 + 15]


def main() -> None:
    """Write the vectors to standard output."""
    ids = np.array(IDS, dtype=np.uint64)
    draws = []
    for drawn in DRAWS:
        values = drawn.sample(KEY, EPOCH, ids)
        spelled = [value.hex() if isinstance(value, float) else value for value in values]
        draws.append({"spec": drawn.spec(), "values": spelled})
    orders = []
    for size in SIZES:
        positions = sorted({0, 1 % size, size // 3, size // 2, size - 1})
        held = permutation(size, KEY).backward(np.array(positions)).tolist()
        orders.append({"size": size, "positions": positions, "backward": held})
    vectors = {
        "about": "key, ids and words are decimal texts (64 bits); floats are hexadecimal; see whence.chance",
        "key": str(KEY),
        "epoch": EPOCH,
        "ids": [str(number) for number in IDS],
        "words": [[str(word) for word in row] for row in words(KEY, EPOCH, ids, 0, 3).tolist()],
        "draws": draws,
        "orders": orders,
    }
    json.dump(vectors, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
