"""A training with checkpoints, as a user would write it, which notes each batch before the model sees it.

It goes on from its checkpoint, as the same run, or begins where there is none.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np
from PIL import Image

import whence as wh

EPOCHS = 2
EVERY = 4


def decode(file: wh.File) -> dict[str, Any]:
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("L"), np.float32)
    return {"pixels": pixels, "label": int(file.parent.name)}


def has_ink(digit: dict[str, Any]) -> bool:
    return bool(digit["pixels"].mean() > 25)


def shift(digit: dict[str, Any], dx: int, dy: int) -> dict[str, Any]:
    return digit | {"pixels": np.roll(digit["pixels"], (dy, dx), axis=(0, 1))}


def fade(digit: dict[str, Any], *, rng: Any, most: float) -> dict[str, Any]:
    return digit | {"pixels": digit["pixels"] * np.float32(rng.uniform(1 - most, 1))}


def grain(digit: dict[str, Any], *, rng: Any) -> dict[str, Any]:
    noise = rng.numpy().normal(0, 4, digit["pixels"].shape).astype(np.float32)
    return digit | {"pixels": digit["pixels"] + noise}


def hole(digit: dict[str, Any], *, rng: Any) -> dict[str, Any]:
    at = rng.integers(0, 20)
    pixels = digit["pixels"].copy()
    pixels[:, at : at + 8] = 0
    return digit | {"pixels": pixels}


def cut(digit: dict[str, Any], *, rng: Any) -> list[dict[str, Any]]:
    return [digit, hole(digit, rng=rng)][: 1 + (rng.random() < 0.5)]


def batches_of(images: pathlib.Path, kind: str) -> wh.Stream:
    """Batches of eight, "filtered" with six operations that draw, or "picked" with five.

    What is filtered is made again from the start when it is gone on with; what is picked begins anywhere.
    """
    digits = wh.from_files(images, name="digits").map(decode)
    if kind == "filtered":
        digits = digits.filter(has_ink, reason="too little ink").sample(0.9, seed=5)
    digits = digits.map(shift, draw={"dx": wh.draw.integers(-2, 3), "dy": wh.draw.integers(-2, 3)}).map(
        fade, most=0.3
    )
    if kind == "filtered":
        return digits.flat_map(cut).map(grain).shuffle(seed=7, window=64).batch(8).named("train")
    return digits.map(grain).map(hole).shuffle(seed=7).batch(8).named("train")


class Model:
    """Something that learns from every batch, in their order."""

    def __init__(self, saved: dict[str, Any] | None) -> None:
        self.steps: int = saved["steps"] if saved else 0
        content = base64.b64decode(saved["weights"]) if saved else bytes(8 * 10 * 784)
        self.weights = np.frombuffer(content, np.float64).reshape(10, 784).copy()

    def step(self, batch: dict[str, Any]) -> float:
        """Learn from one batch; returns its loss before."""
        pixels = batch["pixels"].reshape(len(batch["label"]), 784).astype(np.float64) / 255
        scores = pixels @ self.weights.T
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        error = chances - np.eye(10)[batch["label"]]
        self.weights -= 0.1 * error.T @ pixels / len(pixels)
        self.steps += 1
        return float(-np.log(chances[np.arange(len(pixels)), batch["label"]]).mean())

    def to_plain(self) -> dict[str, Any]:
        """As a checkpoint has it."""
        return {"steps": self.steps, "weights": base64.b64encode(self.weights.tobytes()).decode()}


def load(folder: pathlib.Path) -> dict[str, Any] | None:
    """Load the checkpoint; None where there is none."""
    try:
        found: dict[str, Any] = json.loads((folder / "checkpoint").read_text())
    except FileNotFoundError:
        return None
    return found


def save(folder: pathlib.Path, run: wh.Run, model: Model, batches: Any) -> None:
    """Put a checkpoint in place, all at once."""
    content = {"run": run.name, "state": batches.state(), "model": model.to_plain()}
    (folder / "checkpoint.new").write_text(json.dumps(content))
    (folder / "checkpoint.new").replace(folder / "checkpoint")


def train(
    images: pathlib.Path, folder: pathlib.Path, session: int, kind: str, *, workers: int | None = None
) -> None:
    """Train to the end, from the checkpoint if there is one.

    Args:
        images: what is read.
        folder: of the checkpoint, the notes and the workspace.
        session: counts how often it was begun.
        kind: how the batches are made.
        workers: processes that read.
    """
    notes = os.open(folder / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    saved = load(folder)
    stream, model = batches_of(images, kind), Model(saved["model"] if saved else None)
    if saved is None:
        run, epoch, at = wh.start_run("training", workspace=folder), 0, 0
        reading = stream.epoch(0, workers=workers)
    else:
        run = wh.start_run(resume=saved["run"], workspace=folder)
        epoch, at = saved["state"]["epoch"], saved["state"]["delivered"]
        reading = stream.resume(saved["state"], workers=workers)
    os.write(notes, f"{session} {run.name} {epoch} {at} begins\n".encode())
    with run:
        while True:
            batches = iter(reading)
            for batch in batches:
                digest = hashlib.sha256(batch["pixels"].tobytes() + batch["label"].tobytes()).hexdigest()
                os.write(notes, f"{session} {run.name} {epoch} {at} {digest}\n".encode())
                at += 1
                run.log_metric("loss", model.step(batch))
                if model.steps % EVERY == 0:
                    save(folder, run, model, batches)
            save(folder, run, model, batches)
            epoch, at = epoch + 1, 0
            if epoch == EPOCHS:
                break
            reading = stream.epoch(epoch, workers=workers)
        run.log_model("digits", model.weights.tobytes())
