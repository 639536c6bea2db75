"""scikit-learn: predictions, scores and metrics after a training; data that are split or prepared before."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from whence.integrations.autologging.data import describe_features, shape_of
from whence.integrations.autologging.evaluations import (
    Prediction,
    data_named_like,
    name_of_data,
    prediction_in,
    remember_prediction,
)
from whence.integrations.autologging.fits import bounded_value, fit_of
from whence.integrations.autologging.origins import DataOrigin, origin_of, remember
from whence.integrations.autologging.patches import Call, Training, guarded, is_heard, options, quiet
from whence.vocab import plain

_LARGEST = 10_000


def on_predict(call: Call) -> Training:
    """Remember what a model said of which data."""
    fit = fit_of(call.owner)
    made = yield None
    if fit is not None and len(call.args) + len(call.kwargs) > 1:
        X = next(iter([*call.args[1:], *call.kwargs.values()]))
        remember_prediction(fit, made, name_of_data(fit, X))


def on_score(call: Call) -> Training:
    """Record the score of a model on some data."""
    fit = fit_of(call.owner)
    score = yield None
    if fit is not None:
        given = call.arguments()
        name = name_of_data(fit, given["X"])
        if not name and given.get("y") is not None:
            name = data_named_like(given["y"])
        fit.log_metrics({f"{name or 'eval'}_score": float(score)})


def on_transform(call: Call) -> Training:
    """Remember where the rows come from that a transformer prepared."""
    made = yield None
    given = [*call.args[1:], *call.kwargs.values()]
    origin = origin_of(given[0]) if given else None
    if origin is not None and shape_of(made)[:1] == shape_of(given[0])[:1]:
        step = {"what": "transformed", "by": type(call.owner).__name__}
        remember(made, origin.after(step))


def metrics_of(module: Any) -> Iterator[str]:
    """The functions of sklearn.metrics that compare what is known with what was predicted."""
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value):
            first = list(inspect.signature(value).parameters)[:2]
            if first and (first[0] in ("y_true", "labels_true", "y1") or first == ["X", "labels"]):
                yield name


def on_metric(call: Call) -> Training:
    """Record a metric of a prediction."""
    found = yield None
    given = list(call.arguments().items())
    prediction = prediction_in([value for _, value in given[1::-1]])
    if prediction is None:
        return
    name = prediction.data or data_named_like(given[0][1]) or "eval"
    key = f"{name}_{call.function.__name__}{_told_apart(call)}"
    _keep(prediction, key, found)


def _told_apart(call: Call) -> str:
    """What tells two calls of one metric apart: arguments that aren't as they are by default."""
    told = []
    parameters = inspect.signature(call.function).parameters
    for name, value in list(call.arguments().items())[2:]:
        default = parameters[name].default
        if value is default or not isinstance(value, bool | int | float | str) or value == default:
            continue
        told.append(value if isinstance(value, str) else f"{name}_{value}")
    return "".join(f"_{each}" for each in told)


def _keep(prediction: Prediction, key: str, found: Any) -> None:
    """A number is a metric; tables and texts are kept as they are."""
    fit = prediction.fit
    if isinstance(found, int | float | np.number):
        fit.log_metrics({key: float(found)})
    elif isinstance(found, str):
        fit.log_bytes(found.encode(), fit.named(f"{key}.txt"))
    elif isinstance(found, dict) or (np.ndim(found) and np.size(found) <= _LARGEST):
        told = found if isinstance(found, dict) else np.asarray(found).tolist()
        fit.log_json(plain(told), fit.named(f"{key}.json"))


def splitting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make what stands in place of `train_test_split`: row numbers are split along, so they are known."""

    @functools.wraps(original)
    def split(*arrays: Any, **told: Any) -> Any:
        if not arrays or not is_heard() or not options().datasets:
            return original(*arrays, **told)
        rows = shape_of(arrays[0])[:1]
        parts: list[Any] = []
        if rows:
            with contextlib.suppress(Exception):  # it is raised by the user's own call
                *parts, train_rows, test_rows = original(*arrays, np.arange(rows[0]), **told)
        if not parts:
            return original(*arrays, **told)
        with guarded(original), quiet():
            note_split(original, arrays, parts, (train_rows, test_rows), told)
        return parts

    return split


def note_split(
    original: Callable[..., Any], arrays: Any, parts: list[Any], rows: tuple[Any, Any], told: dict[str, Any]
) -> None:
    """Remember which rows of what the parts of a split are."""
    settings = {name: bounded_value(value) for name, value in told.items() if name != "stratify"}
    if told.get("stratify") is not None:
        settings["stratify"] = True
    described = {id(whole): describe_features(whole) for whole in arrays if origin_of(whole) is None}
    for place, whole in enumerate(arrays):
        origin = origin_of(whole) or DataOrigin(of=described[id(whole)])
        for half, name in enumerate(("train", "test")):
            step = {"what": "split", "by": original.__name__, "part": name, **settings}
            remember(parts[2 * place + half], origin.chosen(rows[half], step))
