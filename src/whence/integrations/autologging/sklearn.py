"""scikit-learn: estimators, whoever wrote them, searches, cross-validation, metrics and splits."""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Iterator
from typing import Any

from whence.integrations.autologging.data import shape_of
from whence.integrations.autologging.evaluations import remember_prediction
from whence.integrations.autologging.fits import Fit, fit_of
from whence.integrations.autologging.patches import Call, Patches, Training, guarded, train, watch
from whence.integrations.autologging.sklearn_evaluation import (
    metrics_of,
    on_metric,
    on_predict,
    on_score,
    on_transform,
    splitting,
)
from whence.integrations.autologging.sklearn_search import tell_folds
from whence.integrations.autologging.sklearn_training import (
    first_rows,
    keep_model,
    on_fit,
    predicts,
    tell_beginning,
    tell_learned,
    title_for,
    title_of,
)

_TRAINING = ("fit", "fit_predict")
_PREDICTING = ("predict", "predict_proba", "predict_log_proba", "decision_function")
_OWN_FILES = ("xgboost", "lightgbm")
"""Their estimators are recorded by the files of these libraries, which know more of them."""


def arrived(module: Any, patches: Patches) -> None:
    """Put hooks into a module of scikit-learn."""
    {
        "sklearn.base": _base_arrived,
        "sklearn.model_selection": _selection_arrived,
        "sklearn.metrics": _metrics_arrived,
    }[module.__name__](module, patches)


def _base_arrived(module: Any, patches: Patches) -> None:
    base = module.BaseEstimator
    patches.undo(_hooked.clear)

    def begins(cls: Any, /, **told: Any) -> None:
        """A class of estimators is made: the hooks of one are put in."""
        super(base, cls).__init_subclass__(**told)
        with guarded(cls):
            _hook_all(cls, patches)

    if "__init_subclass__" not in vars(base):
        patches.lend(base, "__init_subclass__", classmethod(begins))
    for kind in [*_mixins(module), base, *subclasses_of(base)]:
        with guarded(kind):
            _hook_all(kind, patches)


def _mixins(module: Any) -> Iterator[type]:
    """The classes that give estimators their methods."""
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and value.__name__.endswith("Mixin")
            and value.__module__ == module.__name__
        ):
            yield value


def subclasses_of(kind: type) -> Iterator[type]:
    """All classes that are made of a class, however far away."""
    each: type
    for each in kind.__subclasses__():
        yield each
        yield from subclasses_of(each)


_hooked: weakref.WeakSet[type] = weakref.WeakSet()


def _hook_all(kind: type, patches: Patches) -> None:
    """Put hooks into a class and those that it is made of, some of which are no estimators themselves."""
    for each in kind.__mro__:
        if each not in _hooked and each.__module__ not in ("builtins", "abc", "typing"):
            _hooked.add(each)
            hook_class(each, patches)


def hook_class(kind: type, patches: Patches, *, is_ours: bool = False) -> None:
    """Put hooks into the methods that a class itself has.

    Args:
        kind: the class.
        patches: where they are noted.
        is_ours: whether its library has a file here which asks for this.
    """
    if not is_ours and kind.__module__.partition(".")[0] in _OWN_FILES:
        return
    own = vars(kind)
    for name in _TRAINING:
        if _is_method(own.get(name)) and not is_ours:
            patches.training(kind, name, on_fit, title=title_of)
    if _is_method(own.get("fit_transform")):
        patches.replacing(kind, "fit_transform", _preparing)
    if _is_method(own.get("partial_fit")) and not is_ours:
        patches.replacing(kind, "partial_fit", _in_parts)
    for name in _PREDICTING:
        if _is_method(own.get(name)):
            patches.watching(kind, name, on_predict)
    if _is_method(own.get("score")):
        patches.watching(kind, "score", on_score)
    if _is_method(own.get("transform")):
        patches.watching(kind, "transform", on_transform)


def _is_method(value: Any) -> bool:
    return isinstance(value, types.FunctionType) or isinstance(getattr(value, "fn", None), types.FunctionType)


def _preparing(original: Any) -> Any:
    @functools.wraps(original)
    def prepared(*args: Any, **kwargs: Any) -> Any:
        if args and predicts(args[0]):
            return train(original, on_fit, title_of, args, kwargs)
        return watch(original, on_transform, False, args, kwargs)

    return prepared


def _in_parts(original: Any) -> Any:
    @functools.wraps(original)
    def fitted(*args: Any, **kwargs: Any) -> Any:
        if args and goes_on(args[0]):
            return watch(original, on_further_part, False, args, kwargs)
        return train(original, on_first_part, title_of, args, kwargs)

    return fitted


def goes_on(estimator: Any) -> bool:
    """Whether an estimator is in the midst of a training in parts."""
    fit = fit_of(estimator)
    return fit is not None and fit.parts > 0


def on_first_part(call: Call, fit: Fit) -> Training:
    """Record a training in parts: the data of the first; the model when the run ends."""
    estimator, given = call.owner, call.arguments()
    tell_beginning(fit, estimator, given.get("X"), given.get("y"), call)
    yield None
    fit.is_of(estimator)
    _count_part(fit, given.get("X"))
    few = first_rows(given.get("X"))

    def tell(error: BaseException | None) -> None:
        with guarded(call.function):
            fit.tell_more(parts=fit.parts, rows=fit.rows)
            tell_learned(fit, estimator)
            if fit.options.models:
                keep_model(fit, estimator, few)
                fit.tell_more()

    fit.run.before_end(tell)


def on_further_part(call: Call) -> Training:
    """Count a further part."""
    yield None
    fit = fit_of(call.owner)
    if fit is not None:
        _count_part(fit, call.arguments().get("X"))


def _count_part(fit: Fit, X: Any) -> None:
    fit.parts += 1
    fit.rows += (shape_of(X) or (0,))[0]
    fit.log_metrics({"rows_fitted": fit.rows}, step=fit.parts)


def _selection_arrived(module: Any, patches: Patches) -> None:
    for name in ("cross_validate", "cross_val_score"):
        patches.training(module, name, on_cross_validation, title=title_of_validation)
    patches.training(module, "cross_val_predict", on_cross_prediction, title=title_of_validation)
    patches.replacing(module, "train_test_split", splitting)
    patches.spread(module)


def title_of_validation(call: Call) -> str:
    """cross_validate(SVC)."""
    return f"{call.function.__name__}({title_for(call.arguments()['estimator'])})"


def on_cross_validation(call: Call, fit: Fit) -> Training:
    """Record a cross-validation, fold by fold."""
    scores = yield from _validation(call, fit)
    tell_folds(fit, scores if isinstance(scores, dict) else {"test_score": scores})


def on_cross_prediction(call: Call, fit: Fit) -> Training:
    """Record predictions, each by a model that hasn't seen its row."""
    made = yield from _validation(call, fit)
    fit.is_of(made)
    remember_prediction(fit, made, "cv")


def _validation(call: Call, fit: Fit) -> Any:
    given = call.arguments()
    tell_beginning(fit, given["estimator"], given["X"], given["y"], call)
    fit.log_params({name: given[name] for name in ("cv", "scoring", "method") if name in given})
    return (yield None)


def _metrics_arrived(module: Any, patches: Patches) -> None:
    for name in metrics_of(module):
        patches.watching(module, name, on_metric)
    patches.spread(module)
