"""LightGBM: `lightgbm.train`, `lightgbm.cv` and its estimators; metrics of every set, round by round."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from whence.integrations.autologging.boosting import (
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

_EVALUATED = 10
"""After callbacks that change parameters, and before the one that stops a training."""


def arrived(module: Any, patches: Patches) -> None:
    """Put hooks into LightGBM."""
    patches.training(module, "train", on_train, title=title_of)
    patches.training(module, "cv", on_cv, title=title_of)
    patches.spread(module)
    patches.watching(module.Dataset, "__init__", on_matrix, within=True)
    patches.watching(module.Booster, "predict", on_predict)
    estimators = getattr(module, "sklearn", None)
    if hasattr(estimators, "LGBMModel") and hasattr(module, "LGBMModel"):
        patches.watching(estimators, "train", on_inner_train, within=True)
        for kind in [module.LGBMModel, *subclasses_of(module.LGBMModel)]:
            hook_class(kind, patches, is_ours=True)
            if "fit" in vars(kind) and kind.__module__.startswith("lightgbm."):
                patches.training(kind, "fit", on_fit, title=title_of_estimator)


def on_train(call: Call, fit: Fit) -> Training:
    """Record a training of a booster."""
    given = call.arguments()
    _tell_beginning(fit, call, given)
    booster = yield {"callbacks": [*(given.get("callbacks") or ()), _hearing(fit, call)]}
    fit.is_of(booster)
    with guarded(call.function):
        _tell_booster(fit, booster)
    if fit.options.models:
        with guarded(call.function):
            _keep(fit, booster)


def on_cv(call: Call, fit: Fit) -> Training:
    """Record a cross-validation."""
    _tell_beginning(fit, call, call.arguments())
    found = yield None
    tell_rounds_of_folds(fit, {name: values for name, values in found.items() if isinstance(values, list)})


def on_fit(call: Call, fit: Fit) -> Training:
    """Record the fit of an estimator of LightGBM."""
    estimator, given = call.owner, call.arguments()
    X, y = given.get("X"), given.get("y")
    fit.hears_rounds = True
    tell_beginning(fit, estimator, X, y, call)
    yield None
    fit.is_of(estimator)
    with guarded(call.function):
        _tell_booster(fit, estimator.booster_)
    tell_end(fit, estimator, X, y, weights=given.get("sample_weight"), dump=_dumped)


def on_inner_train(call: Call) -> Training:
    """Hear of the rounds while an estimator is fitted by the user himself, and not by a search."""
    fit = current_fit()
    if fit is None or not fit.hears_rounds:
        yield None
    else:
        yield {"callbacks": [*(call.arguments().get("callbacks") or ()), _hearing(fit, call)]}


def on_predict(call: Call) -> Training:
    """Remember what a booster said of which data."""
    fit = fit_of(call.owner)
    made = yield None
    if fit is not None:
        remember_prediction(fit, made, name_of_data(fit, call.arguments()["data"]))


def _tell_beginning(fit: Fit, call: Call, given: Mapping[str, Any]) -> None:
    library = sys.modules["lightgbm"]
    params = dict(given["params"])
    fit.describe(library="lightgbm", version=library.__version__, method=call.function.__name__)
    fit.log_params(params | {"num_boost_round": given["num_boost_round"]})
    matrix, objective = given["train_set"], params.get("objective")
    is_classes = isinstance(objective, str) and objective.startswith(("binary", "multiclass", "softmax"))
    with guarded(call.function):
        described = _shape(matrix)
        tell_matrix(fit, matrix, labels=matrix.get_label(), is_classes=is_classes, **described)


def _shape(dataset: Any) -> dict[str, Any]:
    """What a dataset holds; one that isn't made yet is left so, and tells by its data."""
    if getattr(dataset, "_handle", None) is not None:
        return {
            "rows": dataset.num_data(),
            "columns": dataset.num_feature(),
            "names": dataset.get_feature_name(),
        }
    rows, columns = getattr(dataset.data, "shape", (0, 0))[:2]
    names = dataset.feature_name
    return {"rows": rows, "columns": columns, "names": names if isinstance(names, list) else None}


def _hearing(fit: Fit, call: Call) -> Callable[[Any], None]:
    """A callback that hears the metrics of each round."""

    def hear(env: Any) -> None:
        found = {f"{each[0]}_{each[1]}": float(each[2]) for each in env.evaluation_result_list or ()}
        log_round(fit, env.iteration - env.begin_iteration, found, call.function)

    vars(hear)["order"] = _EVALUATED
    return hear


def _tell_booster(fit: Fit, booster: Any) -> None:
    names = booster.feature_name()
    by_kind = {
        kind: dict(zip(names, booster.feature_importance(kind).tolist(), strict=True))
        for kind in ("split", "gain")
    }
    tell_importances(fit, by_kind)
    best = {
        f"{data}_{metric}": float(value)
        for data, metrics in booster.best_score.items()
        for metric, value in metrics.items()
    }
    stopped = booster.best_iteration > 0
    tell_best(
        fit,
        iteration=booster.best_iteration - 1 if stopped else None,
        score=next(iter(best.values())) if len(best) == 1 else best,
        rounds=booster.current_iteration(),
    )


def _keep(fit: Fit, booster: Any) -> None:
    content = booster.model_to_string().encode()
    inputs = [{"name": name, "dtype": "float64", "shape": [-1]} for name in booster.feature_name()]
    outputs = booster.num_model_per_iteration()
    shape = [-1] if outputs == 1 else [-1, outputs]
    signature = {"inputs": inputs, "outputs": [{"name": "predict", "dtype": "float64", "shape": shape}]}
    kept = fit.log_model("lightgbm", content, format="lightgbm-text", signature=signature)
    fit.describe(model={"name": "lightgbm", "digest": kept, "format": "lightgbm-text", "bytes": len(content)})


def _dumped(estimator: Any) -> tuple[bytes | None, str]:
    return estimator.booster_.model_to_string().encode(), "lightgbm-text"
