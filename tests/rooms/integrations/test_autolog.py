"""`wh.autolog()` itself: what it puts in place and takes back, and that no training ever notices it."""

from __future__ import annotations

import copy
import inspect
import json
import os
import pathlib
import pickle
import subprocess
import sys
import threading
import traceback
import warnings
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
import sklearn.metrics
import sklearn.model_selection
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score  # taken before anything is put in its place
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators

import whence as wh
from whence.errors import InputError, RecordWarning

ROOT = pathlib.Path(__file__).parents[3]
X, Y = load_iris(return_X_y=True)


def runs() -> list[wh.Run]:
    """All runs, oldest first, once those are ended that stay open for what is found out later."""
    wh.autolog(False)
    return wh.open().runs()[::-1]


def places() -> dict[str, Any]:
    """What stands in every place that is ever changed."""
    found: dict[str, Any] = {"here accuracy_score": accuracy_score, "here split": train_test_split}
    waiting: list[type] = [BaseEstimator]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        found |= {
            f"{kind.__module__}.{kind.__qualname__}.{name}": value for name, value in vars(kind).items()
        }
    for module in (sklearn.metrics, sklearn.model_selection, sklearn.base):
        found |= {f"{module.__name__}.{name}": value for name, value in vars(module).items()}
        for kind in [value for value in vars(module).values() if isinstance(value, type)]:
            found |= {f"{kind.__qualname__} {name}": value for name, value in vars(kind).items()}
    return found


def test_everything_is_back_when_it_is_switched_off_to_the_very_functions(home: pathlib.Path) -> None:
    before, finders, hook = places(), list(sys.meta_path), sys.excepthook
    for _ in range(2):
        wh.autolog()
        now = places()
        assert now.keys() >= before.keys()
        changed = {name for name, value in before.items() if now[name] is not value}
        assert len(changed) > 300
        assert {"here accuracy_score", "here split"} <= changed
        wh.autolog(False)
        again = places()
        assert again.keys() == before.keys()
        assert [name for name, value in before.items() if again[name] is not value] == []
        assert sys.meta_path == finders
        assert sys.excepthook is hook


def test_what_stands_in_place_looks_like_what_stood_there(home: pathlib.Path) -> None:
    before = {name: value for name, value in places().items() if inspect.isfunction(value)}
    signatures = {name: inspect.signature(value) for name, value in before.items()}
    wh.autolog()
    for name, value in places().items():
        if name in before and value is not before[name]:
            assert str(inspect.signature(value)) == str(signatures[name])  # NaN as a default equals nothing
            assert value.__doc__ == before[name].__doc__
            assert (value.__name__, value.__qualname__, value.__module__) == (
                before[name].__name__, before[name].__qualname__, before[name].__module__,
            )  # fmt: skip


def test_functions_in_place_are_pickled_as_what_is_there(home: pathlib.Path) -> None:
    wh.autolog()
    held = sklearn.metrics.accuracy_score
    assert pickle.loads(pickle.dumps(held)) is not None
    assert copy.deepcopy(held) is held
    scorer = sklearn.metrics.make_scorer(held)
    wh.autolog(False)
    assert pickle.loads(pickle.dumps(held)) is sklearn.metrics.accuracy_score
    assert pickle.loads(pickle.dumps(scorer))(SVC().fit(X, Y), X, Y) > 0.9


def test_switching_on_twice_is_switching_on_once(home: pathlib.Path) -> None:
    wh.autolog()
    standing = LogisticRegression.fit
    wh.autolog("scikit-learn", models=False)
    assert LogisticRegression.fit is standing
    LinearRegression().fit(X, Y)
    (run,) = runs()
    assert len(run.fits) == 1
    assert run.models == []


def test_a_library_that_is_not_known_is_refused_and_nothing_is_changed(home: pathlib.Path) -> None:
    fit = LogisticRegression.fit
    with pytest.raises(InputError, match="sklearnn"):
        wh.autolog("sklearn", "sklearnn")
    assert LogisticRegression.fit is fit


def run_script(text: str, folder: pathlib.Path, *flags: str) -> str:
    """Run a script in a folder of its own, in a fresh interpreter."""
    folder.mkdir(exist_ok=True)
    (folder / "script.py").write_text(text)
    environment = {key: value for key, value in os.environ.items() if key != "WHENCE_HOME"}
    environment["PYTHONPATH"] = str(ROOT / "src")
    done = subprocess.run(
        [sys.executable, *flags, "script.py"], cwd=folder, env=environment,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_switching_on_imports_no_neighbour_and_none_of_our_rooms(tmp_path: pathlib.Path) -> None:
    code = "import json, sys, whence as wh; wh.autolog(); print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(run_script(code, tmp_path)))
    assert "whence.integrations.autologging.switching" in loaded
    assert loaded & {"numpy", "msgspec", "xxhash", "sklearn", "torch", "keras", "xgboost", "pandas"} == set()
    assert loaded & {"whence.capture", "whence.workspace", "whence.store", "whence.streams"} == set()


LATER = """
import whence as wh
wh.autolog()
import sklearn.linear_model
from importlib.metadata import version
import inspect, importlib.util
from sklearn.base import BaseEstimator
print(type(BaseEstimator.__module__), type(importlib.util.find_spec("sklearn.base").loader).__name__)
print(len(inspect.getsource(sys.modules["sklearn.base"])) > 1000 if (sys := __import__("sys")) else "")
sklearn.linear_model.LinearRegression().fit([[1], [2]], [1, 2])
class Mine(BaseEstimator):
    def fit(self, X, y=None):
        self.seen_ = len(X)
        return self
    def predict(self, X):
        return [0] * len(X)
Mine().fit([[1], [2]], [0, 0])
wh.autolog(False)
print([run.title for run in wh.open().runs()])
"""


def test_libraries_that_are_imported_later_and_classes_made_later_are_recorded(
    tmp_path: pathlib.Path,
) -> None:
    told = run_script(LATER, tmp_path).splitlines()
    assert told[0].endswith("SourceFileLoader")
    assert told[1] == "True"
    assert told[2] == "['Mine', 'LinearRegression']"


def test_an_error_of_the_training_is_the_users_own_and_its_run_failed(home: pathlib.Path) -> None:
    class Fails(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        def fit(self, X: Any, y: Any) -> None:
            raise problem

        def predict(self, X: Any) -> Any:
            return X

    problem = KeyError("mine")
    wh.autolog()
    with pytest.raises(KeyError) as caught:
        Fails().fit(X, Y)
    assert caught.value is problem
    assert problem.__context__ is None
    assert problem.__cause__ is None
    assert traceback.extract_tb(problem.__traceback__)[-1].line == "raise problem"
    (run,) = runs()
    assert run.status == "failed"
    assert "KeyError: 'mine'" in run.totals["traceback"]
    assert run.fits[0]["status"] == "failed"
    assert run.fits[0]["error"] == "KeyError"


def test_an_interrupt_ends_the_run_as_failed_and_goes_on_to_the_user(home: pathlib.Path) -> None:
    class Interrupted(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        def fit(self, X: Any, y: Any) -> None:
            raise KeyboardInterrupt

        def predict(self, X: Any) -> Any:
            return X

    wh.autolog()
    with pytest.raises(KeyboardInterrupt):
        Interrupted().fit(X, Y)
    LinearRegression().fit(X, Y)
    assert [run.status for run in runs()] == ["failed", "finished"]


def test_in_a_run_of_the_users_all_goes_there_and_it_goes_on(home: pathlib.Path) -> None:
    wh.autolog()
    with wh.start_run("mine", params={"max_iter": "mine"}) as run:
        LogisticRegression(C=0.5, max_iter=200).fit(X, Y)
        SVC(C=7).fit(X, Y)
        with pytest.raises(ValueError, match="inconsistent"):
            LinearRegression().fit(X, Y[1:])
        assert run.is_open
        run.log_metric("own", 1)
    (found,) = runs()
    assert found.id == run.id
    assert found.status == "finished"
    assert [fit["status"] for fit in found.fits] == ["finished", "finished", "failed"]
    assert "inconsistent" in found.fits[2]["traceback"]
    assert found.params["max_iter"] == "mine"  # what the user said himself isn't replaced
    assert found.params["fit1.max_iter"] == 200
    assert (found.params["C"], found.params["fit2.C"]) == (0.5, 7)
    assert {"own", "train_accuracy_score", "fit2.train_accuracy_score"} <= found.metrics.keys()


def test_only_the_outermost_call_counts_in_processes_too(home: pathlib.Path) -> None:
    wh.autolog()
    search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [0.1, 1]}, cv=3, n_jobs=2)
    search.fit(X, Y)
    (run,) = runs()
    assert run.title == "GridSearchCV(Pipeline(StandardScaler, SVC))"
    assert len(run.fits) == 1
    assert len(run.models) == 1


def test_only_the_outermost_call_counts_in_threads_of_joblib(home: pathlib.Path) -> None:
    wh.autolog()
    vote = VotingClassifier([("a", SVC()), ("b", LogisticRegression(max_iter=500))], n_jobs=2)
    with joblib.parallel_backend("threading", n_jobs=2):
        vote.fit(X, Y)
    assert [run.title for run in runs()] == ["VotingClassifier"]


def test_threads_of_the_users_train_each_on_its_own(home: pathlib.Path) -> None:
    wh.autolog()
    meet = threading.Barrier(2, timeout=60)

    class Meets(LinearRegression):  # type: ignore[misc]  # scikit-learn has no types
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            meet.wait()
            return super().fit(X, y, sample_weight)

    threads = [threading.Thread(target=lambda: Meets().fit(X, Y)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = runs()
    assert [(run.title, run.status, len(run.fits)) for run in found] == [("Meets", "finished", 1)] * 2
    assert all("train_r2_score" in run.metrics for run in found)


def test_estimators_are_cloned_and_pickled_as_ever(home: pathlib.Path) -> None:
    wh.autolog()
    fitted = LogisticRegression(max_iter=500).fit(X, Y)
    assert clone(fitted).get_params() == fitted.get_params()
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict(X) == fitted.predict(X)).all()
    assert vars(again).keys() == vars(fitted).keys()
    with sklearn.config_context(enable_metadata_routing=True):
        asked = LogisticRegression().set_fit_request(sample_weight=True)
        assert asked.get_metadata_routing().fit.requests == {"sample_weight": True}


def test_a_record_that_cannot_be_written_is_one_warning_and_training_goes_on(
    home: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text("a file where the folder would be")
    wh.autolog()
    with pytest.warns(RecordWarning, match="LinearRegression.fit") as warned:
        assert all(LinearRegression().fit(X, Y).coef_.shape == (4,) for _ in range(3))
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert SVC().fit(X, Y).score(X, Y) > 0.9


def test_an_estimator_that_cannot_say_its_parameters_trains_and_the_rest_is_recorded(
    home: pathlib.Path,
) -> None:
    class Odd(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        def get_params(self, deep: bool = True) -> dict[str, Any]:
            raise RuntimeError("not today")

        def fit(self, X: Any, y: Any) -> Any:
            self.classes_ = np.unique(y)
            return self

        def predict(self, X: Any) -> Any:
            return np.zeros(len(X), int)

    wh.autolog()
    with pytest.warns(RecordWarning, match="not today"):
        Odd().fit(X, Y)
    (run,) = runs()
    assert run.status == "finished"
    assert run.metrics["train_accuracy_score"] == pytest.approx(1 / 3)
    assert run.fits[0]["data"]["y"]["classes"] == {"0": 50, "1": 50, "2": 50}


FORKS = """
import multiprocessing, os, sys
import whence as wh
wh.autolog()
from sklearn.linear_model import LinearRegression
from sklearn.base import BaseEstimator
from joblib import Parallel, delayed

class Mine(BaseEstimator):  # of __main__: sent to workers by value
    def fit(self, X, y=None):
        return self
    def predict(self, X):
        return [0] * len(X)

def train(kind):
    kind().fit([[1], [2]], [1, 2])
    return os.getpid()

if __name__ == "__main__":
    train(LinearRegression)
    pid = os.fork()
    if pid == 0:
        train(LinearRegression)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(train, [LinearRegression, Mine]) != [os.getpid()] * 2
    found = Parallel(n_jobs=2)(delayed(train)(kind) for kind in (LinearRegression, Mine, Mine))
    assert os.getpid() not in found
    wh.autolog(False)
    print([(run.title, run.status, len(run.fits)) for run in wh.open().runs()])
"""


def test_no_run_is_begun_in_forked_spawned_or_joblib_workers(tmp_path: pathlib.Path) -> None:
    assert run_script(FORKS, tmp_path) == "[('LinearRegression', 'finished', 1)]\n"


SAME = """
import sys
if len(sys.argv) > 1 or {on}:
    import whence as wh
    wh.autolog()
import numpy as np, warnings
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split, cross_val_score, RandomizedSearchCV
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import *
np.random.seed(3)
X, y = load_digits(return_X_y=True)
a, b, c, d = train_test_split(X[:400], y[:400])
parts = train_test_split(X[:400].tolist(), y[:400], stratify=y[:400], test_size=7 / 20)
print(type(parts), type(parts[0]), [len(part) for part in parts], np.random.random())
m = RandomForestClassifier(n_estimators=5).fit(a, c)
print(m.score(b, d), m.predict_proba(b).sum(), accuracy_score(d, m.predict(b)), np.random.random())
print(cross_val_score(SGDClassifier(max_iter=5, tol=None), a, c, cv=2), np.random.random())
search = RandomizedSearchCV(RandomForestClassifier(n_estimators=3), {{"max_depth": [1, 2, 3]}}, n_iter=2)
print(search.fit(a, c).best_params_)
print(classification_report(d, m.predict(b)), np.random.random())
for arrays, options in (([1, 2], [1]), {{}}), ((), {{}}), (([1],), {{"test_size": 3}}):
    try:
        train_test_split(*arrays, **options)
    except Exception as error:
        print(type(error), error, error.__context__, error.__cause__)
"""


def test_a_script_prints_the_same_with_and_without(tmp_path: pathlib.Path) -> None:
    without = run_script(SAME.format(on=False), tmp_path / "without")
    assert run_script(SAME.format(on=True), tmp_path / "with") == without
    assert len(without.splitlines()) > 10


def statuses() -> list[str]:
    """How the runs stand, oldest first."""
    return [run.status for run in wh.open().runs()[::-1]]


def test_a_run_of_its_own_ends_when_nothing_more_can_be_found_out(home: pathlib.Path) -> None:
    wh.autolog(models=False)
    first = LinearRegression().fit(X, Y)
    second = LinearRegression().fit(X, Y)
    assert statuses() == ["running", "running"]
    del second
    first.fit(X, Y)  # its first run can't be added to any more, once this one is there
    assert statuses() == ["running", "finished", "running"]
    others = [LinearRegression().fit(X, Y) for _ in range(10)]
    found = statuses()
    assert found.count("running") == 8
    assert found[-8:] == ["running"] * 8
    assert others[-1].score(X, Y) > 0.9
    wh.autolog(False)
    assert set(statuses()) == {"finished"}


def test_what_goes_wrong_after_a_training_is_not_its_failure(tmp_path: pathlib.Path) -> None:
    code = """
import whence as wh
wh.autolog()
from sklearn.linear_model import LinearRegression
model = LinearRegression().fit([[1], [2]], [1, 2])
raise ValueError("of what comes after")
"""
    (tmp_path / "script.py").write_text(code)
    environment = {key: value for key, value in os.environ.items() if key != "WHENCE_HOME"}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1
    assert [run.status for run in wh.open(tmp_path / ".whence").runs()] == ["finished"]


def outcome(kind: Any) -> Any:
    """What an estimator makes of small data, and where NumPy's generator stands then."""
    np.random.seed(5)
    features = np.abs(np.random.normal(size=(60, 4)))
    labels = features[:, 0] * 2 if "Regress" in kind.__name__ else (features[:, 0] > 0.6).astype(int)
    try:
        model = kind()
        fitted = type(model.fit(features, labels)).__name__
        made = next(
            getattr(model, name)(features) for name in ("predict", "transform") if hasattr(model, name)
        )
        made = made.toarray() if hasattr(made, "toarray") else np.asarray(made)
    except Exception as error:  # many want other data, or arguments: that is to be the same, too
        return type(error), str(error)
    return fitted, made.tobytes(), np.random.random()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_every_estimator_of_scikit_learn_does_what_it_did(home: pathlib.Path) -> None:
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", RecordWarning)
    kinds = [kind for _, kind in all_estimators()]
    assert len(kinds) > 150
    for kind in kinds:
        wh.autolog(False)
        expected = outcome(kind)
        wh.autolog("sklearn", models=False)
        with wh.start_run(kind.__name__):
            assert outcome(kind) == expected, kind
