"""The tabular example: a prediction is traced through groups and a join, a row to what was learned of it."""

from __future__ import annotations

import csv
import os
import pathlib
import subprocess
import sys

import pytest

import whence as wh

ROOT = pathlib.Path(__file__).parents[2]
TABLE = ROOT / "tests" / "data" / "penguins_raw.csv"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where the example ran."""
    folder = tmp_path_factory.mktemp("penguins")
    environment = {key: value for key, value in os.environ.items() if key != "WHENCE_HOME"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "penguins.py"), str(TABLE)],
        cwd=folder, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "held-out birds are sexed right" in done.stdout
    return folder


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """The table as the csv module reads it."""
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def colony_of(rows: list[dict[str, str]], row: int) -> set[int]:
    """All rows of the same season and island."""
    own = (rows[row]["studyName"], rows[row]["Island"])
    return {place for place, each in enumerate(rows) if (each["studyName"], each["Island"]) == own}


def test_each_test_bird_came_of_its_own_row_and_its_whole_colony(
    place: pathlib.Path, rows: list[dict[str, str]]
) -> None:
    run = wh.open(place / ".whence").run()
    birds = {(bird["Individual ID"], bird["studyName"]): number for number, bird in enumerate(rows)}
    replayed = run.replay(epoch=0, batch=0, stream="test")
    assert len(replayed["individual"]) > 30
    for item, (individual, study) in enumerate(zip(replayed["individual"], replayed["study"], strict=True)):
        trace = run.trace(epoch=0, batch=0, item=item, stream="test")
        assert trace.complete
        assert {origin.row for origin in trace.origins} == colony_of(rows, birds[individual, study])


def test_train_and_test_share_no_nest_and_every_bird_is_somewhere(
    place: pathlib.Path, rows: list[dict[str, str]]
) -> None:
    run = wh.open(place / ".whence").run()
    nests = {}
    total = 0
    for stream in ("train", "test"):
        batch = run.replay(epoch=0, batch=0, stream=stream)
        total += len(batch["individual"])
        pairs = zip(batch["study"], batch["individual"], strict=True)
        nests[stream] = {(study, bird.split("A")[0]) for study, bird in pairs}
    assert not nests["train"] & nests["test"]
    assert total == sum(row["Sex"] != "NA" for row in rows)


def test_a_row_is_followed_to_the_imputer_and_only_if_it_was_measured(
    place: pathlib.Path, rows: list[dict[str, str]]
) -> None:
    workspace = wh.open(place / ".whence")
    batch = workspace.run().replay(epoch=0, batch=0, stream="train")
    trained = set(zip(batch["individual"], batch["study"], strict=True))
    checked = 0
    for row, bird in enumerate(rows[:120]):
        fits = [
            fit for fit in workspace.impact("birds", rows=[row]).fits
            if fit.stream == "train" and fit.op.startswith("fill_missing") and fit.field == "nitrogen"
        ]  # fmt: skip
        is_trained = (bird["Individual ID"], bird["studyName"]) in trained
        assert bool(fits) == (is_trained and bird["Delta 15 N (o/oo)"] != "NA")
        checked += is_trained
        for fit in fits:
            measured = [
                float(each["Delta 15 N (o/oo)"])
                for each in rows
                if (each["Individual ID"], each["studyName"]) in trained and each["Delta 15 N (o/oo)"] != "NA"
            ]
            assert fit.count == len(measured)
            assert fit.values is not None
            assert fit.values["mean"] == pytest.approx(sum(measured) / len(measured), abs=1e-12)
    assert checked > 50


def test_the_birds_are_made_again_to_the_bit(place: pathlib.Path) -> None:
    workspace = wh.open(place / ".whence")
    name = workspace.run().name
    for address in ("train@0:0", "test@0:0", "train@0:0.17", "test@0:0.3"):
        replay = workspace.replay(f"{name}/{address}")
        assert replay.equal
        assert not replay.differences
