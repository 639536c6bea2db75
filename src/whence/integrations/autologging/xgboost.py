"""XGBoost: `xgboost.train`, `xgboost.cv` and its estimators; metrics of every set, round by round."""

from __future__ import annotations

import pathlib
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from whence.integrations.autologging.boosting import (
    data_of,
    log_round,
    on_matrix,
    tell_best,
    tell_importances,
    tell_matrix,
    tell_rounds_of_folds,
    title_of,
    title_of_estimator,
)
from whence.integrations.autologging.evaluations import name_of_data, remember_prediction
from whence.integrations.autologging.fits import Fit, fit_of
from whence.integrations.autologging.hearing import current_fit, guarded
from whence.integrations.autologging.patches import Call, Patches, Training
from whence.integrations.autologging.sklearn import hook_class, subclasses_of
from whence.integrations.autologging.sklearn_training import tell_beginning, tell_end

_KINDS = ("weight", "gain", "cover", "total_gain", "total_cover")


def arrived(module: Any, patches: Patches) -> None:
    """Put hooks into XGBoost."""
    patches.training(module, "train", on_train, title=title_of)
    patches.training(module, "cv", on_cv, title=title_of)
    patches.spread(module)
    patches.watching(module.DMatrix, "__init__", on_matrix, within=True)
    for name in ("predict", "inplace_predict"):
        patches.watching(module.Booster, name, on_predict)
    estimators: Any = getattr(module, "sklearn", None)
    if hasattr(estimators, "XGBModel"):
        patches.watching(estimators, "train", on_inner_train, within=True)
        for kind in [estimators.XGBModel, *subclasses_of(estimators.XGBModel)]:
            hook_class(kind, patches, is_ours=True)
            if "fit" in vars(kind) and kind.__module__.startswith("xgboost."):
                patches.training(kind, "fit", on_fit, title=title_of_estimator)


def on_train(call: Call, fit: Fit) -> Training:
    """Record a training of a booster."""
    given = call.arguments()
    _tell_beginning(fit, call, given)
    booster = yield {"callbacks": _callbacks(given.get("callbacks"), fit, call)}
    fit.is_of(booster)
    with guarded(call.function):
        _tell_booster(fit, booster)
    if fit.options.models:
        with guarded(call.function):
            _keep(fit, bytes(booster.save_raw("ubj")), _signature(booster))


def on_cv(call: Call, fit: Fit) -> Training:
    """Record a cross-validation."""
    _tell_beginning(fit, call, call.arguments())
    found = yield None
    tell_rounds_of_folds(fit, {str(name): found[name] for name in found})


def on_fit(call: Call, fit: Fit) -> Training:
    """Record the fit of an estimator of XGBoost."""
    estimator, given = call.owner, call.arguments()
    X, y = given.get("X"), given.get("y")
    fit.hears_rounds = True
    tell_beginning(fit, estimator, X, y, call)
    yield None
    fit.is_of(estimator)
    with guarded(call.function):
        _tell_booster(fit, estimator.get_booster())
    tell_end(fit, estimator, X, y, weights=given.get("sample_weight"), dump=_dumped)


def on_inner_train(call: Call) -> Training:
    """Hear of the rounds while an estimator is fitted by the user himself, and not by a search."""
    fit = current_fit()
    if fit is None or not fit.hears_rounds:
        yield None
    else:
        yield {"callbacks": _callbacks(call.arguments().get("callbacks"), fit, call)}


def on_predict(call: Call) -> Training:
    """Remember what a booster said of which data."""
    fit = fit_of(call.owner)
    made = yield None
    if fit is not None:
        matrix = call.arguments()["data"]
        data = data_of(matrix)
        remember_prediction(fit, made, name_of_data(fit, matrix if data is None else data))


def _tell_beginning(fit: Fit, call: Call, given: Mapping[str, Any]) -> None:
    library = sys.modules["xgboost"]
    params = dict(given["params"])
    fit.describe(library="xgboost", version=library.__version__, method=call.function.__name__)
    fit.log_params(params | {"num_boost_round": given["num_boost_round"]})
    if given.get("early_stopping_rounds"):
        fit.log_params({"early_stopping_rounds": given["early_stopping_rounds"]})
    matrix, objective = given["dtrain"], params.get("objective")
    is_classes = isinstance(objective, str) and objective.startswith(("binary:", "multi:"))
    with guarded(call.function):
        tell_matrix(
            fit,
            matrix,
            rows=matrix.num_row(),
            columns=matrix.num_col(),
            names=matrix.feature_names,
            labels=matrix.get_label(),
            is_classes=is_classes,
        )


def _callbacks(given: Any, fit: Fit, call: Call) -> list[Any]:
    """The user's callbacks, and before them one that hears the metrics of each round."""
    base: Any = sys.modules["xgboost"].callback.TrainingCallback

    class Hears(base):  # type: ignore[misc]  # xgboost isn't there where types are checked
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            found = {}
            for data, metrics in evals_log.items():
                for metric, values in metrics.items():
                    last = values[-1]
                    found[f"{data}_{metric}"] = last[0] if isinstance(last, tuple) else last
            log_round(fit, epoch, found, call.function)
            return False

    return [Hears(), *(given or ())]


def _tell_booster(fit: Fit, booster: Any) -> None:
    by_kind = {kind: booster.get_score(importance_type=kind) for kind in _KINDS if _has_trees(booster)}
    if not by_kind:
        by_kind = {"weight": booster.get_score(importance_type="weight")}
    tell_importances(fit, by_kind)
    rounds = booster.num_boosted_rounds()
    stopped = booster.attr("best_iteration") is not None
    tell_best(
        fit,
        iteration=int(booster.best_iteration) if stopped else None,
        score=float(booster.best_score) if stopped else None,
        rounds=rounds,
    )


def _has_trees(booster: Any) -> bool:
    return '"gblinear"' not in booster.save_config()


def _signature(booster: Any) -> dict[str, Any]:
    names = booster.feature_names or [f"f{place}" for place in range(booster.num_features())]
    kinds = booster.feature_types or [""] * len(names)
    inputs = [
        {"name": str(name), "dtype": str(kind), "shape": [-1]}
        for name, kind in zip(names, kinds, strict=True)
    ]
    return {"inputs": inputs, "outputs": [{"name": "predict", "dtype": "float32", "shape": [-1]}]}


def _keep(fit: Fit, content: bytes, signature: dict[str, Any]) -> None:
    kept = fit.log_model("xgboost", content, format="xgboost-ubj", signature=signature)
    fit.describe(model={"name": "xgboost", "digest": kept, "format": "xgboost-ubj", "bytes": len(content)})


def _dumped(estimator: Any) -> tuple[bytes | None, str]:
    """An estimator in XGBoost's own format, with what makes it an estimator again."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.ubj"
        estimator.save_model(path)
        return path.read_bytes(), "xgboost-ubj"
