"""Optuna: a study is one training, and the record has what the study has, whichever thread a trial ran in."""

from __future__ import annotations

import json
import pathlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import whence as wh
from whence.errors import RecordWarning

optuna: Any = pytest.importorskip("optuna", reason="run by `make test-neighbours`")

from sklearn.datasets import load_iris  # noqa: E402 - after it is known to be here
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.svm import SVC  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)
X, Y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """A workspace of its own, in which nothing may have gone unrecorded."""
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore")  # the libraries' own
        warnings.simplefilter("always", RecordWarning)
        wh.autolog()
        yield tmp_path / "home"
        wh.autolog(False)
    assert [str(each.message) for each in told if each.category is RecordWarning] == []


def the_run() -> wh.Run:
    """The only run, ended."""
    wh.autolog(False)
    (run,) = wh.open().runs()
    return run


def objective(trial: Any) -> float:
    """Trains twelve models, none of which is a training of its own."""
    penalty = trial.suggest_float("C", 1e-3, 1e2, log=True)
    kernel = trial.suggest_categorical("kernel", ["linear", "rbf"])
    trial.set_user_attr("thread", threading.get_ident())
    for folds in (2, 3, 4):
        score = float(cross_val_score(SVC(C=penalty, kernel=kernel).fit(X, Y), X, Y, cv=folds).mean())
        trial.report(score, folds)
        if trial.should_prune():
            raise optuna.TrialPruned
    return score


def compare(run: wh.Run, study: Any) -> None:
    """Compare the record of a study with the study."""
    (fit,) = run.fits
    kept = {trial["number"]: trial for trial in json.loads(run.read_artifact("trials.json"))}
    assert kept.keys() == {trial.number for trial in study.trials}
    values = dict(
        zip(run.history("trial_value").step.tolist(), run.history("trial_value").value.tolist(), strict=True)
    )
    for trial in study.trials:
        told = kept[trial.number]
        assert told == fit[f"trial{trial.number}"]
        assert told["state"] == trial.state.name.lower()
        assert told["params"] == trial.params
        assert told["values"] == trial.values
        assert told["intermediate"] == {str(at): value for at, value in trial.intermediate_values.items()}
        assert told["duration_s"] == trial.duration.total_seconds()
        assert values.get(trial.number) == trial.value
        curve = run.history(f"trial{trial.number}_value")
        steps = dict(zip(curve.step.tolist(), curve.value.tolist(), strict=True))
        assert steps == trial.intermediate_values
    states = [trial.state.name.lower() for trial in study.trials]
    assert fit["states"] == {state: states.count(state) for state in states}
    assert run.metrics["best_value"] == study.best_value
    assert {name: run.params[f"best_{name}"] for name in study.best_params} == study.best_params


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_trial_is_recorded_as_the_study_has_it(n_jobs: int) -> None:
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2)
    study = optuna.create_study(
        direction="maximize", study_name="iris", sampler=optuna.samplers.TPESampler(seed=1), pruner=pruner
    )
    seen: list[int] = []
    study.optimize(
        objective, n_trials=10, n_jobs=n_jobs, callbacks=[lambda _, trial: seen.append(trial.number)]
    )
    assert sorted(seen) == list(range(10))
    run = the_run()
    assert run.title == "optuna(iris)"
    assert run.status == "finished"
    study_told = run.fits[0]["study"]
    assert study_told["directions"] == ["maximize"]
    assert (study_told["sampler"], study_told["pruner"]) == ("TPESampler", "MedianPruner")
    compare(run, study)
    if n_jobs == 2:
        assert len({trial.user_attrs["thread"] for trial in study.trials}) > 1


def test_trials_that_fail_are_recorded_and_one_that_stops_the_study_too() -> None:
    def fails(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number == 1:
            raise ValueError("caught")
        if trial.number == 3:
            raise KeyError("not caught")
        return float(x)

    study = optuna.create_study(study_name="fails")
    with pytest.raises(KeyError, match="not caught"):
        study.optimize(fails, n_trials=9, catch=(ValueError,))
    run = the_run()
    assert run.status == "failed"
    (fit,) = run.fits
    assert [fit[f"trial{number}"]["state"] for number in range(4)] == ["complete", "fail", "complete", "fail"]
    assert fit["states"] == {"complete": 2, "fail": 2}
    assert run.metrics["best_value"] == study.best_value


def test_a_study_of_two_aims_says_which_trials_none_beats() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], study_name="two")
    study.optimize(lambda trial: (trial.suggest_float("a", 0, 1), trial.suggest_float("b", 0, 1)), n_trials=6)
    run = the_run()
    (fit,) = run.fits
    assert fit["best_trials"] == [trial.number for trial in study.best_trials]
    assert run.history("trial_value_1").value.tolist() == [trial.values[1] for trial in study.trials]


def test_a_study_that_is_asked_and_told_is_one_training_too() -> None:
    study = optuna.create_study(study_name="asked")
    for _ in range(5):
        trial = study.ask()
        study.tell(trial, (trial.suggest_float("x", -3, 3) - 1) ** 2)
    run = the_run()
    (fit,) = run.fits
    assert run.history("trial_value").value.tolist() == [trial.value for trial in study.trials]
    assert fit["states"] == {"complete": 5}
    assert run.metrics["best_value"] == study.best_value


def test_earlier_trials_of_a_study_that_goes_on_are_not_told_again() -> None:
    study = optuna.create_study(study_name="on")
    with wh.start_run("mine") as run:
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    first, second = run.fits
    assert first["states"] == {"complete": 3}
    assert second["states"] == {"complete": 2}
    assert second["study"]["earlier_trials"] == 3
    assert run.history("fit2.trial_value").step.tolist() == [3, 4]
