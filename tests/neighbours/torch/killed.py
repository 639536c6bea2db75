"""A training that looks a batch ahead and is killed in the middle of a step; tells each before it begins.

Usage: python killed.py FOLDER WORKERS STEP
"""

from __future__ import annotations

import os
import pathlib
import signal
import sys

import numpy as np
from torch.utils.data import DataLoader

import whence as wh


def is_kept(row: dict[str, int]) -> bool:
    return row["n"] % 3 != 0


def main(folder: pathlib.Path, workers: int, dies_at: int) -> None:
    stream = wh.from_arrays(name="rows", n=np.arange(100)).filter(is_kept).shuffle(seed=3)
    dataset = stream.to_torch()
    dataset.hold()
    wh.start_run("killed", workspace=folder)
    batches = iter(DataLoader(dataset, batch_size=8, num_workers=workers))
    following = next(batches, None)
    step = 0
    while following is not None:
        batch, following = following, next(batches, None)
        dataset.took()
        with (folder / "steps.txt").open("a") as told:
            told.write(" ".join(map(str, batch["n"].tolist())) + "\n")
        if step == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        step += 1


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
