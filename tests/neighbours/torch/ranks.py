"""Two processes train one model, each on its shard of a stream and in a run of its own; tells what each got.

Usage: python ranks.py FOLDER WORKERS
"""

from __future__ import annotations

import json
import pathlib
import sys

import numpy as np
import torch
from torch import distributed, multiprocessing
from torch.utils.data import DataLoader

import whence as wh

RANKS = 2


def is_kept(row: dict[str, int]) -> bool:
    return row["n"] % 3 != 0


def train(rank: int, folder: str, workers: int) -> None:
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=RANKS)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 1))
    columns = {"x": np.ones((101, 3), np.float32), "n": np.arange(101)}
    stream = wh.from_arrays(name="rows", **columns).filter(is_kept).shuffle(seed=3)
    received: list[list[int]] = []
    with wh.start_run(f"rank {rank}", workspace=folder, tags={"rank": rank}) as run:
        loader = DataLoader(stream.shard(rank, RANKS).to_torch(), batch_size=8, num_workers=workers)
        with model.join():  # one rank may have a batch more
            for _ in range(2):
                for batch in loader:
                    received.append(batch["n"].tolist())
                    model(batch["x"]).mean().backward()
    told = {"run": run.name, "received": received}
    (pathlib.Path(folder) / f"rank-{rank}.json").write_text(json.dumps(told))
    distributed.destroy_process_group()


if __name__ == "__main__":
    multiprocessing.spawn(train, args=(sys.argv[1], int(sys.argv[2])), nprocs=RANKS)
