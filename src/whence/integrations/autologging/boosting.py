"""What XGBoost and LightGBM have in common: matrices made of data, metrics by round, weights of features."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from whence.integrations.autologging.data import describe_features, describe_target, kind_of
from whence.integrations.autologging.evaluations import tell_training_data
from whence.integrations.autologging.fits import Fit, bounded_value
from whence.integrations.autologging.hearing import guarded, options
from whence.integrations.autologging.origins import origin_of, remember
from whence.integrations.autologging.patches import Call, Training
from whence.integrations.autologging.rows import tell_origin
from whence.integrations.autologging.sklearn_training import title_for

_data_by_matrix: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}


def title_of(call: Call) -> str:
    """The library's function and what is learned: xgboost.train(binary:logistic)."""
    objective = dict(call.arguments()["params"]).get("objective", "")
    name = f"{call.function.__module__.partition('.')[0]}.{call.function.__name__}"
    return f"{name}({objective})" if isinstance(objective, str) and objective else name


def title_of_estimator(call: Call) -> str:
    """The estimator's name."""
    return title_for(call.owner)


def on_matrix(call: Call) -> Training:
    """Remember what a matrix of a library was made of, as long as both live."""
    yield None
    matrix, data = call.owner, call.arguments().get("data")
    origin = origin_of(data)
    if origin is not None:
        remember(matrix, origin)
    key = id(matrix)
    try:
        held = weakref.ref(data)
    except TypeError:  # a list, or the name of a file
        return
    _data_by_matrix[key] = (weakref.ref(matrix, lambda _: _data_by_matrix.pop(key, None)), held)


def data_of(matrix: Any) -> Any:
    """What a matrix was made of; None where that is gone."""
    found = _data_by_matrix.get(id(matrix))
    return found[1]() if found is not None and found[0]() is matrix else None


def tell_matrix(
    fit: Fit, matrix: Any, *, rows: int, columns: int, names: Any, labels: Any, is_classes: bool
) -> None:
    """Describe the matrix that something is trained on, and where it came from.

    Args:
        fit: the training.
        matrix: the library's own.
        rows, columns, names: as it has them.
        labels: what is learned, None where there is nothing.
        is_classes: whether these are classes.
    """
    data = data_of(matrix)
    told: dict[str, Any] = {"rows": rows, "columns": columns}
    if names:
        told["names"] = [str(name) for name in names][:1_000]
    if data is not None:
        told |= describe_features(data, with_digest=options().datasets)
    described: dict[str, Any] = {"X": told | {"matrix": kind_of(matrix)}}
    if labels is not None and len(labels):
        described["y"] = describe_target(
            np.asarray(labels), is_classes=is_classes, with_digest=options().datasets
        )
    origin = origin_of(matrix)
    if origin is not None and options().datasets:
        described["from"] = tell_origin(fit, origin, "rows.npz")
    fit.describe(data=described)
    if data is not None:
        tell_training_data(fit, data, told.get("digest", ""))


def log_round(fit: Fit, step: int, values: Mapping[str, float], function: Callable[..., Any]) -> None:
    """Record the metrics of one round."""
    with guarded(function):
        fit.log_metrics(values, step=step)


def tell_importances(fit: Fit, by_kind: Mapping[str, Mapping[str, float]]) -> None:
    """Keep the weights of features, by the way in which they are weighed."""
    plain = {
        kind: {str(name): float(value) for name, value in weights.items()}
        for kind, weights in by_kind.items()
    }
    fit.log_json(plain, fit.named("feature_importances.json"))


def tell_best(fit: Fit, *, iteration: int | None, score: Any, rounds: int) -> None:
    """Record the best round, and whether the training stopped before its end."""
    fit.describe(rounds=rounds)
    if iteration is None:
        return
    fit.describe(best_iteration=iteration, best_score=bounded_value(score))
    best = {"best_iteration": float(iteration)}
    if isinstance(score, int | float | np.number):
        best["best_score"] = float(score)
    fit.log_metrics(best, step=iteration)


def tell_rounds_of_folds(fit: Fit, columns: Mapping[str, Any]) -> None:
    """Record what a cross-validation gave, round by round: means and standard deviations over the folds."""
    for name, values in columns.items():
        numbers = np.asarray(values)
        if numbers.dtype.kind in "biuf" and numbers.ndim == 1:
            for step, value in enumerate(numbers.tolist()):
                fit.log_metrics({name.replace(" ", "_").replace("-", "_"): value}, step=step)
    fit.describe(rounds=max((len(values) for values in columns.values() if np.ndim(values) == 1), default=0))
