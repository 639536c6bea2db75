"""XGBoost and LightGBM: the record says what the libraries themselves report, round by round."""

from __future__ import annotations

import io
import json
import pathlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import whence as wh
from whence.errors import RecordWarning

xgboost: Any = pytest.importorskip("xgboost", reason="run by `make test-neighbours`")
lightgbm: Any = pytest.importorskip("lightgbm", reason="run by `make test-neighbours`")
pd: Any = pytest.importorskip("pandas")
pytest.importorskip("skops")

from sklearn.linear_model import LogisticRegression  # noqa: E402 - after it is known to be here
from sklearn.metrics import accuracy_score, roc_auc_score  # noqa: E402
from sklearn.model_selection import GridSearchCV, train_test_split  # noqa: E402

BIRDS = pathlib.Path(__file__).parents[2] / "data" / "penguins.csv"
MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


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


@pytest.fixture
def birds() -> Any:
    """Measures and sexes of penguins, halves for training and testing."""
    table = pd.read_csv(BIRDS).dropna().reset_index(drop=True)
    male = (table["sex"] == "male").astype(int).rename("male")
    return train_test_split(table[MEASURES], male, random_state=0, test_size=0.3)


def the_run() -> wh.Run:
    """The only run, ended."""
    wh.autolog(False)
    (run,) = wh.open().runs()
    assert run.status == "finished"
    return run


def model_bytes(run: wh.Run) -> bytes:
    """What was kept of the run's only model."""
    (model,) = run.models
    return wh.open().model(model["name"]).load_bytes()


def the_json(run: wh.Run, name: str) -> Any:
    """An artifact."""
    return json.loads(run.read_artifact(name))


def test_xgboost_rounds_are_those_of_evals_result_and_the_model_predicts_the_same(birds: Any) -> None:
    X_train, X_test, y_train, y_test = birds
    train, test = xgboost.DMatrix(X_train, y_train), xgboost.DMatrix(X_test, y_test)
    told: dict[str, Any] = {}
    params = {"objective": "binary:logistic", "eta": 0.5, "eval_metric": ["logloss", "auc"], "nthread": 2}
    booster = xgboost.train(
        params, train, 60, evals=[(train, "train"), (test, "test")], evals_result=told,
        early_stopping_rounds=5, verbose_eval=False,
    )  # fmt: skip
    shares = booster.predict(test)
    auc = roc_auc_score(y_test, shares)
    run = the_run()
    for data, metrics in told.items():
        for metric, values in metrics.items():
            history = run.history(f"{data}_{metric}")
            assert history.value.tolist() == values
            assert history.step.tolist() == list(range(len(values)))
    (fit,) = run.fits
    assert run.title == "xgboost.train(binary:logistic)"
    assert run.metrics["best_iteration"] == fit["best_iteration"] == booster.best_iteration
    assert run.metrics["best_score"] == booster.best_score
    assert fit["rounds"] == booster.num_boosted_rounds()
    assert run.metrics["test_roc_auc_score"] == auc
    assert run.params["eta"] == 0.5
    assert run.params["num_boost_round"] == 60
    assert fit["data"]["X"]["names"] == MEASURES
    assert fit["data"]["X"]["rows"] == len(X_train)
    assert fit["data"]["y"]["classes"] == {"0.0": int((y_train == 0).sum()), "1.0": int(y_train.sum())}
    rows = np.load(io.BytesIO(run.read_artifact(fit["data"]["from"]["rows"]["artifact"])))["rows"]
    assert rows.tolist() == X_train.index.tolist()
    assert the_json(run, "feature_importances.json")["gain"] == booster.get_score(importance_type="gain")
    assert run.models[0]["format"] == fit["model"]["format"] == "xgboost-ubj"
    assert [told["name"] for told in run.models[0]["signature"]["inputs"]] == MEASURES
    again = xgboost.Booster(model_file=bytearray(model_bytes(run)))
    assert (again.predict(test) == shares).all()


def test_xgboost_estimators_are_kept_as_what_they_can_be_loaded_as(birds: Any) -> None:
    X_train, X_test, y_train, y_test = birds
    model = xgboost.XGBClassifier(n_estimators=40, early_stopping_rounds=3, eval_metric="logloss", n_jobs=2)
    model.fit(X_train, y_train, eval_set=[(X_train, y_train), (X_test, y_test)], verbose=False)
    accuracy = accuracy_score(y_test, model.predict(X_test))
    run = the_run()
    for data, metrics in model.evals_result().items():
        assert run.history(f"{data}_logloss").value.tolist() == metrics["logloss"]
    assert run.metrics["best_iteration"] == model.best_iteration
    assert run.metrics["best_score"] == model.best_score
    assert run.metrics["test_accuracy_score"] == accuracy
    assert run.metrics["train_accuracy_score"] == model.score(X_train, y_train)
    assert run.params["n_estimators"] == 40
    assert run.fits[0]["kind"] == "classifier"
    again = xgboost.XGBClassifier()
    again.load_model(bytearray(model_bytes(run)))
    assert (again.predict_proba(X_test) == model.predict_proba(X_test)).all()


def test_xgboost_cross_validation_is_recorded_round_by_round(birds: Any) -> None:
    X_train, _, y_train, _ = birds
    found = xgboost.cv(
        {"objective": "binary:logistic", "nthread": 2}, xgboost.DMatrix(X_train, y_train), 12, nfold=3, seed=1
    )
    run = the_run()
    for name in found:
        assert run.history(name.replace("-", "_")).value.tolist() == found[name].tolist()
    assert run.fits[0]["rounds"] == 12


def test_lightgbm_rounds_are_those_it_records_and_the_model_predicts_the_same(birds: Any) -> None:
    X_train, X_test, y_train, y_test = birds
    train = lightgbm.Dataset(X_train, y_train)
    test = lightgbm.Dataset(X_test, y_test, reference=train)
    told: dict[str, Any] = {}
    params = {"objective": "binary", "metric": ["binary_logloss", "auc"], "verbosity": -1, "num_threads": 2}
    booster = lightgbm.train(
        params, train, 80, valid_sets=[train, test], valid_names=["train", "test"],
        callbacks=[lightgbm.record_evaluation(told), lightgbm.early_stopping(4, verbose=False)],
    )  # fmt: skip
    shares = booster.predict(X_test)
    auc = roc_auc_score(y_test, shares)
    run = the_run()
    for data, metrics in told.items():
        for metric, values in metrics.items():
            assert run.history(f"{data}_{metric}").value.tolist() == values
    (fit,) = run.fits
    assert run.metrics["best_iteration"] == booster.best_iteration - 1
    assert fit["best_score"] is not None
    assert fit["rounds"] == booster.current_iteration()
    assert run.metrics["test_roc_auc_score"] == auc
    assert fit["data"]["X"]["names"] == MEASURES
    assert fit["data"]["y"]["classes"] == {"0": int((y_train == 0).sum()), "1": int(y_train.sum())}
    split = dict(zip(booster.feature_name(), booster.feature_importance("split").tolist(), strict=True))
    assert the_json(run, "feature_importances.json")["split"] == split
    assert run.models[0]["format"] == fit["model"]["format"] == "lightgbm-text"
    assert [told["name"] for told in run.models[0]["signature"]["inputs"]] == MEASURES
    again = lightgbm.Booster(model_str=model_bytes(run).decode())
    assert (again.predict(X_test) == shares).all()


def test_lightgbm_estimators_are_recorded_with_their_rounds(birds: Any) -> None:
    X_train, X_test, y_train, y_test = birds
    model = lightgbm.LGBMClassifier(n_estimators=30, verbosity=-1, n_jobs=2)
    model.fit(X_train, y_train, eval_set=[(X_test, y_test)], eval_metric="auc")
    score = model.score(X_test, y_test)
    run = the_run()
    for metric, values in model.evals_result_["valid_0"].items():
        assert run.history(f"valid_0_{metric}").value.tolist() == values
    assert run.metrics["test_score"] == score
    assert run.fits[0]["data"]["X"]["names"] == MEASURES
    again = lightgbm.Booster(model_str=model_bytes(run).decode())
    assert (again.predict(X_test) == model.predict_proba(X_test)[:, 1]).all()


def test_lightgbm_cross_validation_is_recorded_round_by_round(birds: Any) -> None:
    X_train, _, y_train, _ = birds
    params = {"objective": "binary", "verbosity": -1, "num_threads": 2}
    found = lightgbm.cv(params, lightgbm.Dataset(X_train, y_train), 9, nfold=3)
    run = the_run()
    for name, values in found.items():
        key = name.replace(" ", "_").replace("-", "_")
        assert run.history(key).value.tolist() == values


def test_a_search_over_boosted_trees_is_one_training_without_rounds(birds: Any) -> None:
    X_train, _, y_train, _ = birds
    grid = {"max_depth": [2, 3]}
    search = GridSearchCV(xgboost.XGBClassifier(n_estimators=5, n_jobs=1), grid, cv=2, n_jobs=2)
    search.fit(X_train, y_train)
    run = the_run()
    assert run.title == "GridSearchCV(XGBClassifier)"
    assert len(run.fits) == 1
    assert run.history("mean_test_score").value.tolist() == search.cv_results_["mean_test_score"].tolist()
    assert not any("logloss" in name and "train" not in name for name in run.metrics)


def test_a_training_that_fails_leaves_the_rounds_that_it_had(birds: Any) -> None:
    X_train, _, y_train, _ = birds
    train = xgboost.DMatrix(X_train, y_train)

    class Fails(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # not there where types are checked
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if epoch == 3:
                raise RuntimeError("mine")
            return False

    with pytest.raises(RuntimeError, match="mine"):
        xgboost.train(
            {"nthread": 2}, train, 10, evals=[(train, "t")], callbacks=[Fails()], verbose_eval=False
        )
    wh.autolog(False)
    (run,) = wh.open().runs()
    assert run.status == "failed"
    assert run.history("t_rmse").step.tolist() == [0, 1, 2, 3]


def test_what_stood_there_is_back(birds: Any) -> None:
    wh.autolog(False)
    before = [xgboost.train, xgboost.sklearn.train, vars(xgboost.XGBClassifier)["fit"], lightgbm.train]
    before += [lightgbm.sklearn.train, vars(lightgbm.LGBMModel)["fit"], xgboost.DMatrix.__init__]
    wh.autolog()
    now = [xgboost.train, xgboost.sklearn.train, vars(xgboost.XGBClassifier)["fit"], lightgbm.train]
    now += [lightgbm.sklearn.train, vars(lightgbm.LGBMModel)["fit"], xgboost.DMatrix.__init__]
    assert not any(one is other for one, other in zip(before, now, strict=True))
    wh.autolog(False)
    again = [xgboost.train, xgboost.sklearn.train, vars(xgboost.XGBClassifier)["fit"], lightgbm.train]
    again += [lightgbm.sklearn.train, vars(lightgbm.LGBMModel)["fit"], xgboost.DMatrix.__init__]
    assert all(one is other for one, other in zip(before, again, strict=True))


def test_scikit_learns_models_are_kept_by_skops_where_it_is(birds: Any) -> None:
    import skops.io  # noqa: PLC0415 - after it is known to be here

    X_train, X_test, y_train, _ = birds
    model = LogisticRegression(max_iter=2_000).fit(X_train, y_train)
    run = the_run()
    assert run.fits[0]["model"]["format"] == "skops"
    content = model_bytes(run)
    again = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    assert (again.predict(X_test) == model.predict(X_test)).all()
