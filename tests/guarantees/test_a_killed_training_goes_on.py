"""Promise: kill -9 a training at any moment, go on from its checkpoint, and nothing is lost or repeated.

After each kill what was recorded as delivered is what was received; what came after the checkpoint is told
apart as abandoned; and the model in the end is, bit for bit, that of a training which nobody killed.
"""

from __future__ import annotations

import os
import pathlib
import random
import shutil
from collections import Counter

import pytest

from tests.killed.holding import Killed, Moment, Whole, digit_images

MOST_KILLS = 40
KINDS = ("filtered", "picked")


def kill_trainings(folder: pathlib.Path, kills: int, *, share: int, seed: int) -> Counter[str]:
    """Kill trainings so many times, and let each come to its end.

    Returns:
        How many trainings there were, and what became of their deliveries.
    """
    images = digit_images(folder, share=share)
    wholes = {kind: Whole.of(images, folder / kind, kind) for kind in KINDS}
    chance = random.Random(seed)
    told: Counter[str] = Counter()
    while kills:
        training = Killed(folder / "training", wholes[KINDS[told["trainings"] % len(KINDS)]])
        while training.kills < min(kills, MOST_KILLS) and not training.has_finished:
            workers = 2 if chance.random() < 0.05 else None
            training.kill_at(Moment.random(chance), workers=workers)
        if not training.has_finished:
            training.finish()
        kills -= training.kills
        told.update(training.fates, trainings=1)
        shutil.rmtree(training.folder)
    return told


def test_a_training_killed_at_any_moment_loses_and_repeats_nothing(tmp_path: pathlib.Path) -> None:
    told = kill_trainings(tmp_path, 20, share=16, seed=1)
    assert told["abandoned"] > 0, "or nothing was held against anything"


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_of_its_own_is_killed_and_goes_on(tmp_path: pathlib.Path, kind: str) -> None:
    """A fork has imported all that it needs before; here nothing is left from one time to the next."""
    images = digit_images(tmp_path, share=16)
    training = Killed(tmp_path / "training", Whole.of(images, tmp_path / "whole", kind))
    chance = random.Random(2)
    for _ in range(2):
        training.kill_at(Moment.random(chance), is_program=True)
    training.finish(is_program=True)


@pytest.mark.long
def test_a_thousand_kills_lose_and_repeat_nothing(tmp_path: pathlib.Path) -> None:
    kills = int(os.environ.get("WHENCE_KILLS") or 1_000)
    seed = int(os.environ.get("WHENCE_KILLS_SEED") or 0)
    told = kill_trainings(tmp_path, kills, share=4, seed=seed)
    print(f"{kills} kills: {dict(told)}")
    assert told["trainings"] * MOST_KILLS >= kills
    assert told["abandoned"] > kills / 4
