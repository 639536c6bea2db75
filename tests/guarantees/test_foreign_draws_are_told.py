"""What draws from generators that aren't whence's is named wherever it matters; seeded, it is made again."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import random, sys
import numpy as np
import whence as wh

SEED, WORKERS = sys.argv[1] == "seeded", int(sys.argv[2])

def jitter(number):
    return {"x": number + random.random(), "y": float(np.random.normal())}

def odd(sample):
    return np.random.random() < 0.7

def twice(sample):
    return [sample | {"z": random.gauss(0, 1)} for _ in range(int(sample["x"]) % 3)]

def centred(samples):
    return [sample | {"w": float(np.random.normal())} for sample in samples]

with wh.config(seed_foreign=SEED):
    stream = (
        wh.from_text("numbers.txt", name="numbers")
        .map(int)
        .map(jitter)
        .filter(odd)
        .flat_map(twice)
        .shuffle(seed=3, window=50)
        .map_batches(centred, size=5)
        .batch(4)
        .with_workers(WORKERS)
    )

if __name__ == "__main__":
    random.seed()
    with wh.start_run(workspace="record") as run:
        for epoch in range(2):
            for batch in stream.epoch(epoch):
                random.random()
    print(run.name)
"""


def ran(folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=folder
    )


def whence(folder: pathlib.Path, *arguments: str) -> Any:
    done = ran(folder, "-m", "whence", *arguments, "--workspace", "record", "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "numbers.txt").write_text("\n".join(map(str, range(200))) + "\n")
    return tmp_path


@pytest.mark.parametrize("workers", ["0", "1", "2"])
def test_seeded_the_whole_run_is_made_again_in_a_new_process(folder: pathlib.Path, workers: str) -> None:
    done = ran(folder, "script.py", "seeded", workers)
    assert (done.returncode, done.stderr) == (0, "")
    run = done.stdout.strip()
    found = whence(folder, "replay", run, "--sample", "100000", "--verify")
    assert found["checked"] == found["equal"] > 200
    assert whence(folder, "show", run)["foreign"] == []
    step = next(each for each in whence(folder, "trace", f"{run}@1:2.1")["steps"] if each["op"] == "jitter")
    assert step["params"]["seed_foreign"] is True
    assert step["foreign"] == []
    assert set(step["random"]) == {"key", "epoch", "id"}


def test_the_samples_do_not_depend_on_the_workers(folder: pathlib.Path) -> None:
    runs = [ran(folder, "script.py", "seeded", workers).stdout.strip() for workers in ("0", "1", "2")]
    recorded = [whence(folder, "replay", f"{run}@1:7")["recorded"] for run in runs]
    assert len(set(recorded)) == 1


@pytest.mark.parametrize("workers", ["0", "2"])
def test_unseeded_each_operation_that_draws_is_named(folder: pathlib.Path, workers: str) -> None:
    done = ran(folder, "script.py", "not", workers)
    assert done.returncode == 0
    assert done.stderr.count("op 'jitter' draws from numpy.random and random") == 1
    run = done.stdout.strip()
    wanted = {
        "jitter": ["numpy.random", "random"],
        "odd": ["numpy.random"],
        "twice": ["random"],
        "centred": ["numpy.random"],
    }
    shown = whence(folder, "show", run)["foreign"]
    assert {each["op"]: each["generators"] for each in shown} == wanted
    steps = whence(folder, "trace", f"{run}@0:2.1")["steps"]
    assert {each["op"]: each["foreign"] for each in steps if each["foreign"]} == wanted
    replayed = whence(folder, "replay", f"{run}@0:2.1")
    assert replayed["equal"] is False
    assert {each["cause"] for each in replayed["differences"]} == {"randomness"}
    for op in wanted:
        assert any(f"op {op!r} drew from" in each["what"] for each in replayed["differences"])
    for question in (["show", run], ["trace", f"{run}@0:2.1"], ["replay", f"{run}@0:2.1"]):
        text = ran(folder, "-m", "whence", *question, "--workspace", "record").stdout
        assert "drew from numpy.random" in text
