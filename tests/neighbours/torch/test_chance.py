"""A function draws from a PyTorch generator that its sample's own randomness seeds."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

import whence as wh
from whence.chance import Bits

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")


def noisy(line: str, *, rng: Any) -> float:
    return float(line) + float(torch.randn(1, generator=rng.torch()))


def test_samples_draw_their_own_values_and_the_same_again(tmp_path: pathlib.Path) -> None:
    (tmp_path / "n.txt").write_text("1\n" * 20)
    stream = wh.from_text(tmp_path / "n.txt").map(noisy)
    with wh.start_run(workspace=tmp_path) as run:
        first, second = list(stream.epoch(0)), list(stream.epoch(1))
    assert len({*first, *second}) == 40
    assert list(stream.epoch(1, workers=2)) == second
    again = run.replay(1, item=7)
    assert again == second[7]


def test_a_generator_takes_one_word_of_its_sample() -> None:
    bits = Bits(5, 0, np.arange(3, dtype=np.uint64))
    one, other = bits.rng(1), bits.rng(1)
    seed = one.torch().initial_seed()
    assert 0 <= seed < 2**63
    other.random()
    assert one.random() == other.random()
    assert bits.rng(2).torch().initial_seed() != seed
