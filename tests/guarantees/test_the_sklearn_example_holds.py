"""Two lines added to a script of scikit-learn: it prints what it printed, and its record is complete."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import pathlib
import pickle
import re
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

import whence as wh

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "sklearn_script.py"
TABLE = ROOT / "tests" / "data" / "penguins.csv"
TWO_LINES = "import whence as wh\n\nwh.autolog()\n"
MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


def run(text: str, folder: pathlib.Path) -> str:
    """Run the script in a folder that holds it and its table; returns what it printed."""
    folder.mkdir()
    (folder / "train.py").write_text(text)
    shutil.copy(TABLE, folder)
    environment = {key: value for key, value in os.environ.items() if key != "WHENCE_HOME"}
    done = subprocess.run(
        [sys.executable, "train.py", TABLE.name], cwd=folder, capture_output=True, text=True, check=False,
        env=environment | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str]:
    """Where the script ran with the two lines, and what it printed."""
    folder = tmp_path_factory.mktemp("script") / "with"
    return folder, run(SCRIPT.read_text(), folder)


@pytest.fixture(scope="module")
def recorded(place: tuple[pathlib.Path, str]) -> wh.Run:
    """Its run."""
    (found,) = wh.open(place[0] / ".whence").runs()
    return found


def split() -> tuple[Any, Any]:
    """The rows that the script trains on and those that it tests with, as pandas labels them."""
    birds = pd.read_csv(TABLE).dropna()
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - as the script has it

    train, test = train_test_split(birds, test_size=0.25, stratify=birds["species"], random_state=7)
    return train, test


def test_the_script_prints_what_it_prints_without_the_two_lines(
    place: tuple[pathlib.Path, str], tmp_path: pathlib.Path
) -> None:
    text = SCRIPT.read_text()
    assert text.count(TWO_LINES) == 1
    without = text.replace(TWO_LINES, "")
    assert "wh." not in without.replace(".whence", "")
    assert run(without, tmp_path / "without") == place[1]
    assert not (tmp_path / "without" / ".whence").exists()


def test_there_is_one_run_and_it_is_whole(place: tuple[pathlib.Path, str], recorded: wh.Run) -> None:
    assert recorded.status == "finished"
    assert recorded.title == "GridSearchCV(Pipeline(ColumnTransformer, LogisticRegression))"
    assert len(recorded.fits) == 1
    assert recorded.record.gaps == []
    assert wh.open(place[0] / ".whence").verify().holds


def test_the_table_is_its_input_with_its_digest(recorded: wh.Run) -> None:
    (found,) = recorded.inputs
    assert (found.path, found.how) == (TABLE.name, "read")
    assert found.digest == f"sha256:{hashlib.sha256(TABLE.read_bytes()).hexdigest()}"


def test_the_rows_that_were_trained_on_and_tested_with_are_known(recorded: wh.Run) -> None:
    birds = pd.read_csv(TABLE).dropna()
    train, test = split()
    (fit,) = recorded.fits
    for told, part in ((fit["data"], train), (fit["evaluations"][0], test)):
        rows = np.load(io.BytesIO(recorded.read_artifact(told["from"]["rows"]["artifact"])))["rows"]
        assert birds.index[rows].tolist() == part.index.tolist()
        assert told["from"]["of"]["rows"] == len(birds)
    assert fit["data"]["y"]["classes"] == train["sex"].value_counts().to_dict()
    assert fit["data"]["X"]["names"] == [*MEASURES, "island"]
    assert fit["evaluations"][0]["data"] == "test"


def test_the_search_and_the_scores_are_those_that_were_printed(
    place: tuple[pathlib.Path, str], recorded: wh.Run
) -> None:
    printed = place[1]
    best, score = re.search(r"best: \{'logisticregression__C': (\S+)\}, (\S+) in", printed).groups()  # type: ignore[union-attr]
    accuracy, f1 = re.search(r"accuracy (\S+), f1 (\S+)", printed).groups()  # type: ignore[union-attr]
    assert recorded.params["best_logisticregression__C"] == float(best)
    assert f"{recorded.metrics['best_score']:.4f}" == score
    assert f"{recorded.metrics['test_accuracy_score']:.4f}" == accuracy
    assert f"{recorded.metrics['test_f1_score_macro']:.4f}" == f1
    assert recorded.read_artifact("test_classification_report.txt").decode() in printed
    rows = list(csv.DictReader(io.StringIO(recorded.read_artifact("cv_results.csv").decode())))
    assert [float(row["param_logisticregression__C"]) for row in rows] == [0.01, 0.1, 1.0, 10.0, 100.0]
    assert all(f"split{fold}_test_score" in rows[0] for fold in range(5))
    assert recorded.params["cv"] == 5


def test_the_model_says_again_what_it_said(place: tuple[pathlib.Path, str], recorded: wh.Run) -> None:
    _, test = split()
    model = wh.open(place[0] / ".whence").model("LogisticRegression")
    again = pickle.loads(model.load_bytes())
    share = (again.predict(test[[*MEASURES, "island"]]) == test["sex"]).mean()
    assert share == pytest.approx(recorded.metrics["test_accuracy_score"])
    (kept,) = recorded.models
    assert kept["format"] == "pickle"
    assert [told["name"] for told in kept["signature"]["inputs"]] == [*MEASURES, "island"]


def test_code_and_environment_are_there(recorded: wh.Run) -> None:
    environment = recorded.environment
    assert environment["packages"]["scikit-learn"]
    assert environment["packages"]["pandas"]
    assert environment["argv"][0] == "train.py"
    code = [event.body for event in recorded.record.journal.find("code_file") if event.body]
    assert [(file["path"], file["module"]) for file in code] == [("train.py", "")]
    assert code[0]["text"] == SCRIPT.read_text()
