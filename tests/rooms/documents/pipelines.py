"""What the runs of these tests do to their samples; in a file of its own, so that a replay finds it."""

from __future__ import annotations

from typing import Any

import numpy as np

import whence as wh


def read_text(file: Any) -> dict[str, Any]:
    text = file.read().decode()
    if text.startswith("broken"):
        raise ValueError(f"can't read {text}")
    value = int(text)
    return {"value": value, "image": np.full((4, 6), value, np.uint8)}


def is_even(sample: dict[str, Any]) -> bool:
    return bool(sample["value"] % 2 == 0)


def move(sample: dict[str, Any], *, dx: int, by: int) -> dict[str, Any]:
    return {**sample, "image": np.roll(sample["image"], dx * by, 1)}


def digits(folder: str) -> wh.Stream:
    """Files of numbers: some broken, some odd, some twice."""
    return (
        wh.from_files(folder, name="numbers")
        .map(read_text, on_error="quarantine")
        .filter(is_even, reason="odd number")
        .dedup(key="value")
        .map(move, by=1, draw={"dx": wh.draw.integers(-2, 3)})
        .shuffle(seed=7)
        .batch(4)
    )


def keep(value: Any) -> Any:
    return value


def same_pair(left: Any, right: Any) -> tuple[Any, Any]:
    return left, right
