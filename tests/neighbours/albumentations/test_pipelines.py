"""Albumentations' pipelines have generators of their own; with `seed_foreign` draws are each sample's own."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import whence as wh

albumentations = pytest.importorskip("albumentations", reason="run by `make test-neighbours`")

SCRIPT = """
import sys
import albumentations as A
import numpy as np
import whence as wh

PIPELINE = A.Compose(
    [
        A.HorizontalFlip(p=0.5),
        A.Rotate(limit=20, p=0.9),
        A.RandomBrightnessContrast(p=0.8),
        A.OneOf([A.GaussNoise(p=1), A.GaussianBlur(p=1)], p=0.7),
        A.CoarseDropout(p=0.6),
    ]
)

def drawn(line):
    ramp = np.add.outer(np.arange(32) * 3, np.arange(40) * 5) + int(line)
    return np.stack([ramp % 256, ramp // 2 % 256, ramp // 3 % 256], -1).astype(np.uint8)

def augmented(image):
    return PIPELINE(image=image)["image"]

if __name__ == "__main__":
    workers = int(sys.argv[1])
    stream = wh.from_text("numbers.txt", name="n").map(drawn).map(augmented, seed_foreign=True)
    with wh.start_run(workspace="record") as run:
        for epoch in range(2):
            list(stream.shuffle(seed=1).batch(4).with_workers(workers).epoch(epoch))
    print(run.name)
"""


def ran(folder: pathlib.Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "numbers.txt").write_text("\n".join(map(str, range(40))) + "\n")
    return tmp_path


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_pipeline_is_replayed_in_a_new_process(folder: pathlib.Path, workers: str) -> None:
    run = ran(folder, "script.py", workers).split()[-1]
    asked = ["replay", run, "--sample", "80", "--verify", "--workspace", "record", "--json"]
    found = json.loads(ran(folder, "-m", "whence", *asked))
    assert (found["checked"], found["equal"], found["causes"]) == (80, 80, [])


def test_samples_differ_from_each_other_and_from_pass_to_pass() -> None:
    pipeline = albumentations.Compose([albumentations.GaussNoise(p=1)])
    blank = np.full((8, 8, 3), 128, np.uint8)

    def noisy(number: int) -> Any:
        return pipeline(image=blank)["image"]

    stream = wh.from_items(list(range(20)), name="n").map(noisy, seed_foreign=True)
    images = [image.tobytes() for epoch in (0, 1) for image in stream.epoch(epoch)]
    assert len(set(images)) == 40
    assert [image.tobytes() for image in stream.epoch(1)] == images[20:]
