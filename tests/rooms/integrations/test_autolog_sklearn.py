"""What is recorded of scikit-learn, beside what scikit-learn says itself."""

from __future__ import annotations

import csv
import io
import json
import pathlib
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - it makes the search importable
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    confusion_matrix,
    f1_score,
    fbeta_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
    silhouette_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import whence as wh

BIRDS = pathlib.Path(__file__).parents[2] / "data" / "penguins.csv"
MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
X, Y = load_iris(return_X_y=True)


@pytest.fixture
def birds() -> Any:
    """Measures and species of penguins, whole."""
    return pd.read_csv(BIRDS).dropna().reset_index(drop=True)


def the_run() -> wh.Run:
    """The only run, ended."""
    wh.autolog(False)
    (run,) = wh.open().runs()
    assert run.status == "finished"
    return run


def kept_rows(run: wh.Run, told: dict[str, Any]) -> list[int]:
    """The row numbers of an artifact."""
    found: list[int] = np.load(io.BytesIO(run.read_artifact(told["artifact"])))["rows"].tolist()
    return found


@pytest.mark.usefixtures("home")
class TestAFit:
    def test_parameters_data_balance_and_scores_are_scikit_learns_own(self, birds: Any) -> None:
        measures, species = birds[MEASURES], birds["species"]
        wh.autolog()
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(measures, species)
        run = the_run()
        (fit,) = run.fits
        assert run.title == "Pipeline(StandardScaler, LogisticRegression)"
        assert (fit["library"], fit["kind"], fit["method"]) == ("sklearn", "classifier", "fit")
        plain = {name: value for name, value in model.get_params().items() if isinstance(value, str | float)}
        assert {name: run.params[name] for name in plain} == plain
        assert run.params["logisticregression__C"] == 0.1
        assert run.params["standardscaler"] == "StandardScaler()"
        told = fit["data"]["X"]
        assert (told["rows"], told["columns"], told["names"]) == (len(birds), 4, MEASURES)
        assert told["dtypes"] == "float64"
        assert fit["data"]["y"]["name"] == "species"
        assert fit["data"]["y"]["classes"] == species.value_counts().to_dict()
        predicted, shares = model.predict(measures), model.predict_proba(measures)
        assert run.metrics["train_accuracy_score"] == accuracy_score(species, predicted)
        assert run.metrics["train_f1_score"] == f1_score(species, predicted, average="weighted")
        assert run.metrics["train_log_loss"] == log_loss(species, shares)
        again = pickle.loads(wh.open().model("LogisticRegression").load_bytes())
        assert (again.predict_proba(measures) == shares).all()
        assert fit["model"]["bytes"] == run.models[0]["bytes"]

    def test_numbers_that_are_learned_are_summed_up(self) -> None:
        features, progression = load_diabetes(return_X_y=True)
        wh.autolog()
        model = LinearRegression().fit(features, progression)
        run = the_run()
        told = run.fits[0]["data"]["y"]["summary"]
        assert told["mean"] == pytest.approx(progression.mean(), rel=1e-12)
        assert told["quartiles"] == np.quantile(progression, [0.25, 0.5, 0.75]).tolist()
        predicted = model.predict(features)
        assert run.metrics["train_r2_score"] == r2_score(progression, predicted)
        assert run.metrics["train_root_mean_squared_error"] == root_mean_squared_error(progression, predicted)
        assert run.metrics["train_mean_absolute_error"] == mean_absolute_error(progression, predicted)

    def test_the_digest_is_of_the_content_and_of_nothing_else(self) -> None:
        def told(features: Any) -> dict[str, Any]:
            with wh.start_run() as run:
                LinearRegression().fit(features, Y)
            found: dict[str, Any] = run.fits[0]["data"]
            return found

        wh.autolog(models=False, scores=False)
        table = pd.DataFrame(X, columns=list("abcd"))
        changed = table.copy()
        changed.iloc[7, 2] += 1e-9
        first = told(table)
        assert told(table.copy())["X"]["digest"] == first["X"]["digest"]
        assert told(table.rename(columns={"a": "z"}))["X"]["digest"] != first["X"]["digest"]
        assert told(changed)["X"]["digest"] != first["X"]["digest"]
        assert told(changed)["y"]["digest"] == first["y"]["digest"]
        assert told(X)["X"]["digest"] == told(np.asfortranarray(X))["X"]["digest"]

    def test_data_of_every_kind_are_described_and_told_apart(self) -> None:
        def told(features: Any) -> dict[str, Any]:
            with wh.start_run() as run:
                DummyClassifier().fit(features, labels)
            found: dict[str, Any] = run.fits[0]["data"]["X"]
            return found

        wh.autolog(models=False)
        labels = [0, 1, 1]
        words = pd.Series(["a", None, "b"], dtype="str")
        days = pd.to_datetime(pd.Series(["2026-01-01", None, "2026-01-03"]))
        kinds = {
            "texts": ["one", "two", "three"],
            "ragged": [[1, 2], [3], []],
            "numbers": [[1.0], [2.0], [3.0]],
            "sparse": scipy.sparse.csr_matrix(np.diag([1.0, 0.0, 3.0])),
            "cube": np.arange(12).reshape(3, 2, 2),
            "frame": pd.DataFrame({"w": words, "d": days, "n": pd.array([1, None, 3], dtype="Int64")}),
            "category": pd.DataFrame({"c": pd.Categorical(["x", "y", "x"])}),
            "polars": pl.DataFrame({"a": [1.0, None, 3.0], "b": ["x", "y", None]}),
        }
        digests = {name: told(features).get("digest") for name, features in kinds.items()}
        assert None not in digests.values()
        assert len(set(digests.values())) == len(kinds)
        later = kinds["frame"].assign(d=days + pd.Timedelta(1, "s"))
        assert told(later)["digest"] != digests["frame"]
        assert told(kinds["frame"].copy())["digest"] == digests["frame"]
        assert told(kinds["frame"])["missing"] == 3
        assert told(kinds["cube"])["shape"] == [3, 2, 2]
        assert told(pd.DataFrame({"a": [object(), 1, 2]}))["not_digested"] == ["a"]

    def test_texts_are_trained_on_and_the_model_says_so(self) -> None:
        texts = [f"{'good' if place % 3 else 'bad'} bird {place}" for place in range(60)]
        labels = ["yes" if place % 3 else "no" for place in range(60)]
        wh.autolog()
        make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels)
        run = the_run()
        assert run.fits[0]["data"]["X"] == {
            "kind": "list", "rows": 60, "digest": run.fits[0]["data"]["X"]["digest"],
        }  # fmt: skip
        assert run.fits[0]["data"]["y"]["classes"] == {"no": 20, "yes": 40}
        assert run.metrics["train_accuracy_score"] == 1.0

    def test_long_parameters_are_cut_off_and_secrets_taken_out(self) -> None:
        class Asks(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
            def __init__(self, words: Any = None, api_key: str = "", bounds: Any = None) -> None:
                self.words, self.api_key, self.bounds = words, api_key, bounds

            def fit(self, X: Any, y: Any) -> Any:
                return self

            def predict(self, X: Any) -> Any:
                return np.zeros(len(X), int)

        wh.autolog(models=False)
        secret = "sk-proj-" + "aB3dE5fG7h" * 4
        Asks(words=["word"] * 10_000, api_key=secret, bounds=np.zeros(100_000)).fit(X, Y)
        run = the_run()
        assert len(run.params["words"]) <= 500
        assert len(run.params["bounds"]) <= 500
        assert secret not in str(run.params)

    def test_curves_of_what_learns_by_rounds_are_metrics(self) -> None:
        wh.autolog()
        model = MLPClassifier((4,), max_iter=3_000, early_stopping=True, random_state=1).fit(X, Y)
        run = the_run()
        assert run.history("train_loss").value.tolist() == model.loss_curve_
        assert run.history("validation_score").value.tolist() == model.validation_scores_
        assert run.metrics["n_iter"] == model.n_iter_

    def test_a_training_in_parts_is_one_and_its_model_is_that_of_the_end(self) -> None:
        wh.autolog()
        model = SGDClassifier(random_state=0)
        for first in range(0, 150, 50):
            model.partial_fit(X[first : first + 50], Y[first : first + 50], classes=[0, 1, 2])
        run = the_run()
        assert len(run.fits) == 1
        assert run.history("rows_fitted").value.tolist() == [50, 100, 150]
        assert (run.fits[0]["parts"], run.fits[0]["rows"]) == (3, 150)
        again = pickle.loads(wh.open().model("SGDClassifier").load_bytes())
        assert (again.coef_ == model.coef_).all()

    def test_what_is_not_wanted_is_left_out(self) -> None:
        wh.autolog(models=False, datasets=False, scores=False)
        SVC().fit(X, Y)
        run = the_run()
        assert run.models == []
        assert "digest" not in run.fits[0]["data"]["X"]
        assert run.fits[0]["data"]["y"]["classes"] == {"0": 50, "1": 50, "2": 50}
        assert not any(name.startswith("train_") for name in run.metrics)


@pytest.mark.usefixtures("home")
class TestWhereDataCameFrom:
    def test_rows_of_a_split_are_known_exactly_of_tables_and_of_arrays(self, birds: Any) -> None:
        table, array = birds[MEASURES], birds[MEASURES].to_numpy()
        wh.autolog()
        train, test, species, _, bare, _ = train_test_split(table, birds["species"], array, random_state=3)
        with wh.start_run() as run:
            model = LogisticRegression(max_iter=5_000).fit(train, species)
            model.predict(test)
            LogisticRegression(max_iter=5_000).fit(StandardScaler().fit_transform(bare), species.to_numpy())
        first, second = run.fits
        came = first["data"]["from"]
        assert kept_rows(run, came["rows"]) == train.index.tolist()
        assert came["of"]["rows"] == len(birds)
        assert came["steps"] == [
            {"what": "split", "by": "train_test_split", "part": "train", "random_state": 3}
        ]
        (evaluated,) = first["evaluations"]
        assert evaluated["data"] == "test"
        assert kept_rows(run, evaluated["from"]["rows"]) == test.index.tolist()
        assert kept_rows(run, second["data"]["from"]["rows"]) == train.index.tolist()
        assert [step["what"] for step in second["data"]["from"]["steps"]] == ["split", "transformed"]

    def test_columns_that_are_chosen_afterwards_keep_their_rows(self, birds: Any) -> None:
        wh.autolog()
        train, _ = train_test_split(birds, random_state=3)
        LogisticRegression(max_iter=5_000).fit(train[MEASURES], train["species"])
        run = the_run()
        assert kept_rows(run, run.fits[0]["data"]["from"]["rows"]) == train.index.tolist()

    def test_labels_of_a_table_are_recorded_as_labels_where_nothing_else_is_known(self, birds: Any) -> None:
        wh.autolog()
        chosen = birds[birds["island"] == "Biscoe"]
        with wh.start_run() as run:
            LogisticRegression(max_iter=5_000).fit(chosen[MEASURES], chosen["species"])
            LinearRegression().fit(birds[MEASURES], birds["year"])
        assert kept_rows(run, run.fits[0]["data"]["labels"]) == chosen.index.tolist()
        assert run.fits[1]["data"]["labels"] == {"start": 0, "stop": len(birds), "step": 1}
        assert all("from" not in fit["data"] for fit in run.fits)

    def test_a_table_that_a_stream_gave_in_the_run_is_of_that_pass(self) -> None:
        wh.autolog()
        with wh.start_run() as run:
            rows = wh.from_csv(BIRDS, name="birds", missing=["", "NA"])
            rows.take(10).to_pandas()
            table = rows.filter(lambda row: row["sex"] is not None, reason="unsexed").to_pandas()
            train, _, sexes, _ = train_test_split(table[MEASURES], table["sex"], random_state=0)
            LogisticRegression(max_iter=5_000).fit(train, sexes)
        came = run.fits[0]["data"]["from"]
        assert came["of"] == {"run": run.id, "pass": 1}
        assert kept_rows(run, came["rows"]) == train.index.tolist()
        item = kept_rows(run, came["rows"])[0]
        mass = run.replay(epoch=0, item=item, stream=run.streams[1].name)["body_mass_g"]
        assert mass == train["body_mass_g"].iloc[0]


@pytest.mark.usefixtures("home")
class TestSearches:
    @pytest.mark.parametrize("kind", ["grid", "random", "halving", "several"])
    def test_every_candidate_is_recorded_as_the_search_has_it(self, kind: str) -> None:
        pipeline, grid = make_pipeline(StandardScaler(), SVC()), {"svc__C": [0.1, 1.0, 10.0]}
        search = {
            "grid": lambda: GridSearchCV(pipeline, grid, cv=3, return_train_score=True),
            "random": lambda: RandomizedSearchCV(pipeline, grid, n_iter=2, cv=3, random_state=0, n_jobs=2),
            "halving": lambda: HalvingGridSearchCV(pipeline, grid, cv=3, random_state=0, min_resources=40),
            "several": lambda: GridSearchCV(
                pipeline, grid, cv=3, scoring=["accuracy", "f1_macro"], refit="f1_macro"
            ),
        }[kind]()
        wh.autolog()
        search.fit(X, Y)
        run = the_run()
        results = search.cv_results_
        for key in results:
            if key.startswith(("mean_test_", "std_test_", "mean_train_")):
                assert run.history(key).value.tolist() == results[key].tolist()
        rows = list(csv.DictReader(io.StringIO(run.read_artifact("cv_results.csv").decode())))
        assert len(rows) == len(results["params"])
        for key, values in results.items():
            assert [row[key] for row in rows] == [repr(each) for each in np.asarray(values).tolist()]
        told = run.fits[0]["search"]
        assert told["candidates"] == len(rows)
        assert [row["params"] for row in told["rows"]] == results["params"]
        assert run.params["best_svc__C"] == search.best_params_["svc__C"]
        assert run.metrics["best_score"] == search.best_score_
        assert run.history("best_score").step.tolist() == [search.best_index_]
        again = pickle.loads(wh.open().model("SVC").load_bytes())
        assert (again.predict(X) == search.predict(X)).all()

    def test_cross_validation_is_recorded_fold_by_fold(self) -> None:
        wh.autolog()
        with wh.start_run() as run:
            scoring = ["accuracy", "f1_macro"]
            found = cross_validate(SVC(), X, Y, cv=4, scoring=scoring, return_train_score=True)
            scores = cross_val_score(SVC(C=9), X, Y, cv=3, n_jobs=2)
            predicted = cross_val_predict(SVC(), X, Y, cv=3)
            accuracy = accuracy_score(Y, predicted)
        for key in ("test_accuracy", "test_f1_macro", "train_accuracy", "fit_time"):
            assert run.history(f"cv_{key}").value.tolist() == found[key].tolist()
            assert run.metrics[f"cv_{key}_mean"] == found[key].mean()
        assert run.history("fit2.cv_test_score").value.tolist() == scores.tolist()
        assert run.params["fit2.C"] == 9
        assert run.metrics["fit3.cv_accuracy_score"] == accuracy
        assert [fit["method"] for fit in run.fits] == [
            "cross_validate",
            "cross_val_score",
            "cross_val_predict",
        ]


@pytest.mark.usefixtures("home")
class TestWhatIsFoundOutLater:
    def test_metrics_are_named_by_the_data_and_what_tells_them_apart(self) -> None:
        wh.autolog()
        X_train, rest, y_train, y_rest = train_test_split(X, Y, random_state=0, stratify=Y)
        X_val, X_test, y_val, y_test = train_test_split(rest, y_rest, test_size=0.5, random_state=0)
        model = SVC().fit(X_train, y_train)
        said, of_test = model.predict(X_val), model.predict(X_test)
        expected = {
            "val_accuracy_score": accuracy_score(y_val, said),
            "val_f1_score_macro": f1_score(y_val, said, average="macro"),
            "val_f1_score_micro": f1_score(y_val, y_pred=said, average="micro"),
            "val_fbeta_score_beta_0.5_macro": fbeta_score(y_val, said, beta=0.5, average="macro"),
            "test_accuracy_score": accuracy_score(y_test, of_test),
            "test_score": model.score(X_test, y_test),
            "train_score": model.score(X_train.copy(), y_train),
            "eval_score": model.score(X[::2], Y[::2]),
        }
        table = confusion_matrix(y_test, of_test)
        report = classification_report(y_val, said)
        run = the_run()
        assert {name: run.metrics[name] for name in expected} == expected
        assert json.loads(run.read_artifact("test_confusion_matrix.json")) == table.tolist()
        assert run.read_artifact("val_classification_report.txt").decode() == report
        assert [told["data"] for told in run.fits[0]["evaluations"]] == ["val", "test", "eval"]

    def test_what_is_made_of_a_prediction_belongs_to_it(self) -> None:
        wh.autolog()
        held = np.arange(0, 100, 3)
        model = LogisticRegression().fit(np.delete(X[:100], held, 0), np.delete(Y[:100], held))
        X_held, y_held = X[held], Y[held]
        shares = model.predict_proba(X_held)
        auc = roc_auc_score(y_held, shares[:, 1])
        accuracy = accuracy_score(y_held, (shares[:, 1] > 0.3).astype(int))
        run = the_run()
        assert run.metrics["held_roc_auc_score"] == auc
        assert run.metrics["held_accuracy_score"] == accuracy

    def test_a_metric_asked_for_again_is_a_further_value_and_none_is_lost(self) -> None:
        wh.autolog()
        model = SVC().fit(X, Y)
        parts = ((X[:75], Y[:75]), (X[75:], Y[75:]))
        wanted = [accuracy_score(y_part, model.predict(X_part)) for X_part, y_part in parts]
        run = the_run()
        history = run.history("part_accuracy_score")
        assert (history.step.tolist(), history.value.tolist()) == ([0, 1], wanted)

    def test_scores_go_to_the_run_of_their_model_whatever_was_trained_since(self) -> None:
        wh.autolog()
        models = [SVC(C=penalty).fit(X, Y) for penalty in (1e-3, 1, 100)]
        X_test, y_test = X[::3], Y[::3]
        wanted = [model.score(X_test, y_test) for model in models]
        wh.autolog(False)
        assert [run.metrics["test_score"] for run in wh.open().runs()[::-1]] == wanted

    def test_metrics_of_nothing_that_was_trained_here_are_let_be(self) -> None:
        wh.autolog()
        assert accuracy_score([1, 0], [1, 1]) == 0.5
        assert roc_auc_score([1, 0], [0.3, 0.2]) == 1.0
        assert wh.open().runs() == []

    def test_clusters_are_scored_by_their_labels(self) -> None:
        wh.autolog()
        model = KMeans(3, random_state=0, n_init=1)
        labels = model.fit_predict(PCA(2).fit_transform(X))
        score = silhouette_score(X, labels)
        run = the_run()
        assert run.title == "KMeans"
        assert run.metrics["inertia"] == model.inertia_
        assert run.metrics["train_silhouette_score"] == score
