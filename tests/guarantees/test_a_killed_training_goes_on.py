"""Promise: kill -9 a training at any moment, go on from its checkpoint, and nothing is lost or repeated.

After each kill what was recorded as delivered is what was received; what came after the checkpoint is told
apart as abandoned; and the model in the end is, bit for bit, that of a training which nobody killed.
"""

from __future__ import annotations

import itertools
import os
import pathlib
import random
import shutil

import pytest

from tests.killed.holding import Killed, Moment, Whole, digit_images

MOST_KILLS = 40


def kill_trainings(folder: pathlib.Path, kills: int, *, share: int, seed: int) -> int:
    """Kill trainings so many times, and let each come to its end; returns how many there were."""
    images = digit_images(folder, share=share)
    whole = Whole.of(images, folder / "whole")
    chance = random.Random(seed)
    for count in itertools.count(1):
        training = Killed(images, folder / f"training-{count}", whole)
        most = min(kills, MOST_KILLS)
        while training.kills < most and not training.has_finished:
            workers = 2 if chance.random() < 0.05 else None
            training.kill_at(Moment.random(chance), workers=workers)
        if not training.has_finished:
            training.finish()
        kills -= training.kills
        shutil.rmtree(training.folder)
        if not kills:
            return count
    raise AssertionError("counting has no end")


def test_a_training_killed_at_any_moment_loses_and_repeats_nothing(tmp_path: pathlib.Path) -> None:
    assert kill_trainings(tmp_path, 15, share=16, seed=1) >= 1


def test_a_program_of_its_own_is_killed_and_goes_on(tmp_path: pathlib.Path) -> None:
    """A fork has imported all that it needs before; here nothing is left from one time to the next."""
    images = digit_images(tmp_path, share=16)
    whole = Whole.of(images, tmp_path / "whole")
    training = Killed(images, tmp_path / "training", whole)
    chance = random.Random(2)
    for _ in range(3):
        training.kill_at(Moment.random(chance), is_program=True)
    training.finish(is_program=True)


@pytest.mark.long
def test_a_thousand_kills_lose_and_repeat_nothing(tmp_path: pathlib.Path) -> None:
    kills = int(os.environ.get("WHENCE_KILLS") or 1_000)
    seed = int(os.environ.get("WHENCE_KILLS_SEED") or 0)
    assert kill_trainings(tmp_path, kills, share=8, seed=seed) > kills / MOST_KILLS
