"""scikit-learn: what is recorded of an estimator that is fitted."""

from __future__ import annotations

import contextlib
import importlib
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.integrations.autologging.data import describe_features, describe_target, shape_of
from whence.integrations.autologging.evaluations import remember_prediction, tell_training_data
from whence.integrations.autologging.fits import Fit
from whence.integrations.autologging.origins import labels_of, origin_of
from whence.integrations.autologging.patches import Call, Training, guarded, options
from whence.integrations.autologging.rows import keep_rows, tell_origin
from whence.integrations.autologging.sklearn_search import tell_search

SCORED_ROWS = 100_000
"""Of more training rows so many, evenly spaced, are scored."""
_LEARNED = ("n_iter_", "best_loss_", "inertia_", "oob_score_", "lower_bound_", "reconstruction_err_")
_CURVES = {
    "loss_curve_": "train_loss",
    "validation_scores_": "validation_score",
    "validation_score_": "validation_score",
    "train_score_": "train_score",
}


def title_of(call: Call) -> str | None:
    """What a training is called; None of a transformer, which prepares data and predicts nothing."""
    return title_for(call.owner) if predicts(call.owner) else None


def predicts(estimator: Any) -> bool:
    """Whether an estimator says something of data, rather than preparing them."""
    if any(hasattr(estimator, name) for name in ("predict", "fit_predict")):
        return True
    return hasattr(estimator, "score_samples") and not hasattr(estimator, "transform")


def title_for(estimator: Any) -> str:
    """An estimator with what it holds: GridSearchCV(Pipeline(StandardScaler, SVC))."""
    name = type(estimator).__name__
    inner = getattr(estimator, "estimator", None)
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list):
        held = [title_for(step) if hasattr(step, "get_params") else str(step) for _, step in steps]
    else:
        held = [title_for(inner)] if hasattr(inner, "get_params") else []
    return f"{name}({', '.join(held)})" if held else name


def model_name_of(estimator: Any) -> str:
    """The name under which a model is kept: of what predicts in the end."""
    steps, inner = getattr(estimator, "steps", None), getattr(estimator, "estimator", None)
    if isinstance(steps, list) and steps and hasattr(steps[-1][1], "get_params"):
        return model_name_of(steps[-1][1])
    return model_name_of(inner) if hasattr(inner, "get_params") else type(estimator).__name__


def on_fit(call: Call, fit: Fit) -> Training:
    """Record the fit of an estimator."""
    estimator = call.owner
    given = call.arguments()
    X, y = given.get("X"), given.get("y")
    tell_beginning(fit, estimator, X, y, call)
    returned = yield None
    fit.is_of(estimator)
    if call.function.__name__ == "fit_predict":
        remember_prediction(fit, returned, "train")
    tell_end(fit, estimator, X, y, weights=given.get("sample_weight"))


def tell_beginning(fit: Fit, estimator: Any, X: Any, y: Any, call: Call) -> None:
    """Say what is trained, with what parameters, on what data."""
    kind = type(estimator)
    root = kind.__module__.partition(".")[0]
    fit.describe(
        library=root,
        version=str(getattr(sys.modules.get(root), "__version__", "")),
        estimator=f"{kind.__module__}.{kind.__qualname__}",
        kind=getattr(estimator, "_estimator_type", None) or kind_from_tags(estimator),
        method=call.function.__name__,
    )
    with guarded(call.function):
        fit.log_params(estimator.get_params(deep=True))
    with guarded(call.function):
        described = tell_data(fit, X, y, is_classes=is_classifier(estimator))
        tell_training_data(fit, X, described.get("X", {}).get("digest", ""))


def tell_end(
    fit: Fit,
    estimator: Any,
    X: Any,
    y: Any,
    *,
    weights: Any = None,
    dump: Callable[[Any], tuple[bytes | None, str]] | None = None,
) -> None:
    """Say what came of it: what was learned, scores on the training data, the model.

    Args:
        fit: the training.
        estimator: what was trained.
        X, y: on what.
        weights: of the rows.
        dump: makes bytes of the model, and names their format; None for that of scikit-learn.
    """
    with guarded(estimator.fit):
        tell_learned(fit, estimator)
    if hasattr(estimator, "cv_results_"):
        with guarded(estimator.fit):
            tell_search(fit, estimator)
    if fit.options.scores:
        with guarded(estimator.fit), undisturbed():
            tell_scores(fit, estimator, X, y, weights)
    if fit.options.models:
        with guarded(estimator.fit), undisturbed():
            keep_model(fit, estimator, X, dump)


def tell_data(fit: Fit, X: Any, y: Any, *, is_classes: bool) -> dict[str, Any]:
    """Describe the data of a training and where they came from; returns what was said."""
    told: dict[str, Any] = {}
    if X is not None:
        told["X"] = describe_features(X, with_digest=options().datasets)
    if y is not None:
        told["y"] = describe_target(y, is_classes=is_classes, with_digest=options().datasets)
    if options().datasets:
        told |= _came_from(fit, X, y)
    fit.describe(data=told)
    return told


def _came_from(fit: Fit, X: Any, y: Any) -> dict[str, Any]:
    found = next((origin for origin in map(origin_of, (X, y)) if origin is not None), None)
    if found is not None:
        return {"from": tell_origin(fit, found, "rows.npz")}
    labels = next((each for each in map(labels_of, (X, y)) if each is not None), None)
    if labels is None:
        return {}
    kept = labels if isinstance(labels, dict) else {"artifact": keep_rows(fit, labels, "labels.npz")}
    return {"labels": kept}


def is_classifier(estimator: Any) -> bool:
    """Whether an estimator tells classes."""
    return (getattr(estimator, "_estimator_type", None) or kind_from_tags(estimator)) == "classifier"


def kind_from_tags(estimator: Any) -> str:
    """classifier, regressor, clusterer, …; empty where it doesn't say."""
    with contextlib.suppress(Exception):  # tags are the business of whoever wrote it
        return str(estimator.__sklearn_tags__().estimator_type or "")
    return ""


def tell_learned(fit: Fit, estimator: Any) -> None:
    """Record the numbers and curves that an estimator found while it learned."""
    last = estimator.steps[-1][1] if isinstance(getattr(estimator, "steps", None), list) else estimator
    held = vars(last) if hasattr(last, "__dict__") else {}
    fit.log_metrics(
        {
            name.rstrip("_"): float(held[name])
            for name in _LEARNED
            if isinstance(held.get(name), int | float | np.number)
        },
        step=0,
    )
    for name, key in _CURVES.items():
        curve = held.get(name)
        if isinstance(curve, list | np.ndarray) and np.ndim(curve) == 1:
            for step, value in enumerate(np.asarray(curve, np.float64).tolist()):
                fit.log_metrics({key: value}, step=step)


def tell_scores(fit: Fit, estimator: Any, X: Any, y: Any, weights: Any) -> None:
    """Score a model on what it was trained on, by what its kind is usually scored by."""
    metrics = sys.modules.get("sklearn.metrics")
    kind = getattr(estimator, "_estimator_type", None) or kind_from_tags(estimator)
    if metrics is None or y is None or kind not in ("classifier", "regressor") or np.ndim(y) != 1:
        return
    rows = shape_of(X)[0]
    if rows > SCORED_ROWS:
        chosen = np.linspace(0, rows - 1, SCORED_ROWS).astype(np.int64)
        X, y = _taken(X, chosen), _taken(y, chosen)
        weights = None if weights is None else _taken(weights, chosen)
        fit.describe(scored_rows=SCORED_ROWS)
    scored = _class_scores if kind == "classifier" else _number_scores
    found, missed = {}, {}
    for name, score in scored(metrics, estimator, X, y, weights).items():
        try:
            found[f"train_{name}"] = float(score())
        except Exception as error:  # a score that doesn't fit this model or these labels
            missed[name] = f"{type(error).__name__}: {error}"[:200]
    fit.log_metrics(found, step=0)
    if missed:
        fit.describe(not_scored=missed)


def _class_scores(
    metrics: Any, estimator: Any, X: Any, y: Any, weights: Any
) -> Mapping[str, Callable[[], Any]]:
    predicted = estimator.predict(X)
    weighted = {"average": "weighted", "sample_weight": weights, "zero_division": 0}
    found: dict[str, Callable[[], Any]] = {
        "accuracy_score": lambda: metrics.accuracy_score(y, predicted, sample_weight=weights),
        "precision_score": lambda: metrics.precision_score(y, predicted, **weighted),
        "recall_score": lambda: metrics.recall_score(y, predicted, **weighted),
        "f1_score": lambda: metrics.f1_score(y, predicted, **weighted),
    }
    if hasattr(estimator, "predict_proba"):
        shares = estimator.predict_proba(X)
        labels = estimator.classes_
        scored = shares[:, 1] if len(labels) == 2 else shares
        found["log_loss"] = lambda: metrics.log_loss(y, shares, labels=labels, sample_weight=weights)
        if len(labels) > 1:
            found["roc_auc_score"] = lambda: metrics.roc_auc_score(
                y,
                scored,
                average="weighted",
                multi_class="ovo",
                sample_weight=None if len(labels) > 2 else weights,
            )
    return found


def _number_scores(
    metrics: Any, estimator: Any, X: Any, y: Any, weights: Any
) -> Mapping[str, Callable[[], Any]]:
    predicted = estimator.predict(X)
    names = ("r2_score", "root_mean_squared_error", "mean_absolute_error")
    return {
        name: lambda name=name: getattr(metrics, name)(y, predicted, sample_weight=weights)  # type: ignore[misc]
        for name in names
    }


def first_rows(X: Any) -> Any:
    """The first row, as a table or array of the same kind."""
    return X.iloc[:1] if hasattr(X, "iloc") else X[:1]


def _taken(values: Any, rows: NDArray[np.int64]) -> Any:
    if isinstance(values, list | tuple):
        return [values[row] for row in rows]
    return values.iloc[rows] if hasattr(values, "iloc") else values[rows]


def keep_model(
    fit: Fit, estimator: Any, X: Any, dump: Callable[[Any], tuple[bytes | None, str]] | None = None
) -> None:
    """Keep a model: as skops where that is installed and can hold it, else pickled; see `tell_end`."""
    content, how = (dump or _dumped)(estimator)
    if content is None:
        fit.describe(model_not_kept=how)
        return
    name = model_name_of(estimator)
    kept = fit.log_model(name, content, format=how, signature=signature_of(estimator, X))
    fit.describe(model={"name": name, "digest": kept, "format": how, "bytes": len(content)})


def _dumped(estimator: Any) -> tuple[bytes | None, str]:
    with contextlib.suppress(Exception):  # it isn't installed, or has no form for something in it
        return importlib.import_module("skops.io").dumps(estimator), "skops"
    try:
        return pickle.dumps(estimator, protocol=5), "pickle"
    except Exception as error:  # pickling runs anybody's code
        return None, f"{type(error).__name__}: {error}"[:200]


def signature_of(estimator: Any, X: Any) -> dict[str, Any]:
    """What a model takes and gives: a table's columns by name, an array as one."""
    described = describe_features(X, with_digest=False)
    if "names" in described:
        kinds = described["dtypes"]
        inputs = [
            {"name": name, "dtype": kinds if isinstance(kinds, str) else kinds.get(name, ""), "shape": [-1]}
            for name in described["names"]
        ]
    else:
        inputs = [{"name": "X", "dtype": described.get("dtype", ""), "shape": [-1, *shape_of(X)[1:]]}]
    outputs = []
    if hasattr(estimator, "predict"):
        first = np.asarray(estimator.predict(first_rows(X)))
        outputs.append({"name": "predict", "dtype": str(first.dtype), "shape": [-1, *first.shape[1:]]})
    if hasattr(estimator, "predict_proba") and hasattr(estimator, "classes_"):
        shape = [-1, len(estimator.classes_)]
        outputs.append({"name": "predict_proba", "dtype": "float64", "shape": shape})
    return {"inputs": inputs, "outputs": outputs}


@contextlib.contextmanager
def undisturbed() -> Generator[None]:
    """Do something that the user didn't ask for: draws of NumPy are given back, and no warnings shown."""
    before = np.random.get_state()
    with contextlib.ExitStack() as quiet:
        if threading.current_thread() is threading.main_thread():
            quiet.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        try:
            yield
        finally:
            np.random.set_state(before)
