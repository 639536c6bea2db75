"""scikit-learn: what a search over parameters found, and what a cross-validation did, fold by fold."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from whence.integrations.autologging.fits import Fit, bounded_value

_MOST_CANDIDATES = 1_000
_TOLD = ("best_index_", "best_score_", "best_params_", "n_resources_", "n_candidates_", "n_iterations_")


def tell_search(fit: Fit, search: Any) -> None:
    """Record a search: every candidate as a row, the scores by candidate, and the best one.

    Args:
        fit: the training.
        search: a fitted GridSearchCV, RandomizedSearchCV, a halving one, or any with `cv_results_`.
    """
    results: Mapping[str, Any] = search.cv_results_
    fit.log_bytes(_as_csv(results).encode("utf-8", "surrogatepass"), fit.named("cv_results.csv"))
    for key in results:
        if key.startswith(("mean_test_", "std_test_", "mean_train_", "std_train_")):
            for candidate, value in enumerate(np.asarray(results[key], np.float64).tolist()):
                fit.log_metrics({key: value}, step=candidate)
    fit.describe(search=_told(fit, search, results))
    best = getattr(search, "best_params_", None)
    if isinstance(best, Mapping):
        fit.log_params({f"best_{name}": value for name, value in best.items()})
    score = getattr(search, "best_score_", None)
    if score is not None:
        fit.log_metrics({"best_score": float(score)}, step=int(search.best_index_))
    if (refit_s := getattr(search, "refit_time_", None)) is not None:
        fit.log_metrics({"refit_time_s": float(refit_s)}, step=0)


def _told(fit: Fit, search: Any, results: Mapping[str, Any]) -> dict[str, Any]:
    scoring = getattr(search, "scoring", None)
    candidates = results["params"]
    told: dict[str, Any] = {
        "candidates": len(candidates),
        "folds": getattr(search, "n_splits_", None),
        "scoring": bounded_value(sorted(scoring) if isinstance(scoring, Mapping) else scoring),
        "results": fit.named("cv_results.csv"),
    }
    for name in _TOLD:
        value = getattr(search, name, None)
        if value is not None:
            told[name.rstrip("_")] = _each(value)
    means = [key for key in results if key.startswith(("mean_test_", "rank_test_"))]
    told["rows"] = [
        {"params": _each(params)} | {key: np.asarray(results[key])[place].item() for key in means}
        for place, params in enumerate(candidates[:_MOST_CANDIDATES])
    ]
    return told


def _each(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): bounded_value(each) for name, each in value.items()}
    return bounded_value(value)


def _as_csv(results: Mapping[str, Any]) -> str:
    """All that the search says, a candidate a row; parameters as their `repr`."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(results)
    columns = [_column(values) for values in results.values()]
    rows.writerows(zip(*columns, strict=True))
    return text.getvalue()


def _column(values: Any) -> list[Any]:
    if isinstance(values, np.ma.MaskedArray):
        return [
            "" if gone else repr(value)
            for value, gone in zip(values.data.tolist(), np.ma.getmaskarray(values), strict=True)
        ]
    return [repr(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values)]


def tell_folds(fit: Fit, scores: Mapping[str, Any]) -> None:
    """Record what a cross-validation measured: each fold at its step, and mean and standard deviation."""
    for key, values in scores.items():
        numbers = np.asarray(values)
        if numbers.dtype.kind not in "biuf" or numbers.ndim != 1:
            continue
        for fold, value in enumerate(numbers.tolist()):
            fit.log_metrics({f"cv_{key}": value}, step=fold)
        found = {f"cv_{key}_mean": float(numbers.mean()), f"cv_{key}_std": float(numbers.std())}
        fit.log_metrics(found, step=0)
    fit.describe(folds=max((len(values) for values in scores.values() if np.ndim(values) == 1), default=0))
