"""What is found out of a model after its training: which predictions are whose, on which data, by what name.

A prediction is known by the very array that the model returned, or one that shares its memory (a column of
probabilities); a metric of anything else, such as labels by a threshold, belongs to this thread's last
prediction with as many rows. Data that are the training's are called `train`, others as their variable is.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from dataclasses import dataclass
from types import FrameType
from typing import Any

from whence.integrations.autologging.data import describe_features, digest_text_of, shape_of
from whence.integrations.autologging.fits import Fit
from whence.integrations.autologging.origins import origin_of
from whence.integrations.autologging.rows import tell_origin

_MOST_TOLD = 100
_EMPTY_WORDS = frozenset({"x", "y", "data", "df", "dataset", "set", "features", "labels", "inputs", "frame"})
_NOT_USERS = ("whence.integrations.", "sklearn.", "xgboost.", "lightgbm.", "joblib.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model said of some data.

    Args:
        fit: the training of the model.
        data: what the data are called; empty where nothing tells.
        rows: how many there are.
    """

    fit: Fit
    data: str
    rows: int


_predictions: dict[int, tuple[weakref.ref[Any], Prediction]] = {}
_last = threading.local()


def tell_training_data(fit: Fit, X: Any, digest: str) -> None:
    """Say what something is trained on, so that it is known again.

    Args:
        fit: the training.
        X: the data.
        digest: of its content; empty where that isn't known.
    """
    fit.evaluated["train"] = (_weak(X), digest, shape_of(X))


def name_of_data(fit: Fit, X: Any) -> str:
    """Name the data that a model is given, and describe data that haven't been seen; empty: no name."""
    known, digest, shape = fit.evaluated.get("train", (None, "", ()))
    if known is not None and known() is X:
        return "train"
    found = digest_text_of(X) if fit.options.datasets else ""
    if digest and digest == found and shape == shape_of(X):
        return "train"
    name = _plain_name(variable_of(X))
    before = fit.evaluated.get(name)
    if before is None or before[1:] != (found, shape_of(X)):
        fit.evaluated[name] = (_weak(X), found, shape_of(X))
        _describe(fit, name, X)
    return name


def _describe(fit: Fit, name: str, X: Any) -> None:
    if not fit.options.datasets or len(fit.evaluations) >= _MOST_TOLD:
        return
    told: dict[str, Any] = {"data": name or "eval"} | describe_features(X)
    origin = origin_of(X)
    if origin is not None:
        told["from"] = tell_origin(fit, origin, f"{name or 'eval'}.rows.npz")
    fit.evaluations.append(told)
    fit.tell_more(evaluations=fit.evaluations)


def remember_prediction(fit: Fit, made: Any, name: str) -> None:
    """Remember what a model said, as long as it lives."""
    shape = shape_of(made)
    prediction = Prediction(fit=fit, data=name, rows=shape[0] if shape else 0)
    _last.prediction = prediction
    key = id(made)
    with contextlib.suppress(TypeError):  # a list, which can't be known weakly
        _predictions[key] = (weakref.ref(made, lambda _: _predictions.pop(key, None)), prediction)


def prediction_in(values: list[Any]) -> Prediction | None:
    """Find the prediction that one of some arguments is, or was made of."""
    for value in values:
        held = value
        while held is not None:
            found = _predictions.get(id(held))
            if found is not None and found[0]() is held:
                return found[1] if found[1].fit.run.is_open else None
            held = getattr(held, "base", None)
    last: Prediction | None = getattr(_last, "prediction", None)
    if last is None or not last.fit.run.is_open:
        return None
    return last if any(shape_of(value)[:1] == (last.rows,) for value in values) else None


def variable_of(value: Any) -> str:
    """The name of a variable of the user's that holds a value; empty where none does."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and f"{frame.f_globals.get('__name__', '')}.".startswith(_NOT_USERS):
        frame = frame.f_back
    if frame is None:
        return ""
    for names in (frame.f_locals, frame.f_globals):
        for name, held in list(names.items()):
            if held is value and not name.startswith("_"):
                return name
    return ""


def _plain_name(variable: str) -> str:
    """X_test, test_df and y_test are all called test."""
    words = [word for word in variable.split("_") if word and word.lower() not in _EMPTY_WORDS]
    return "_".join(words)


def data_named_like(y: Any) -> str:
    """Name data by the variable that holds their labels."""
    return _plain_name(variable_of(y))


def _weak(value: Any) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(value)
    except TypeError:
        return None
