"""Keras 3: `fit` and `evaluate` of every model, whatever computes it, by a callback of ours."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from whence.integrations.autologging.data import describe_features, describe_target
from whence.integrations.autologging.fits import Fit, fit_of, users_run
from whence.integrations.autologging.origins import origin_of
from whence.integrations.autologging.patches import Call, Patches, Training, guarded
from whence.integrations.autologging.rows import tell_origin

_ARGUMENTS = (
    "batch_size",
    "epochs",
    "initial_epoch",
    "shuffle",
    "steps_per_epoch",
    "validation_batch_size",
    "validation_freq",
    "validation_split",
    "validation_steps",
)


def arrived(module: Any, patches: Patches) -> None:
    """Hear of the trainings and evaluations of all models."""
    patches.training(_owner("fit"), "fit", on_fit, title=title_of)
    patches.watching(_owner("evaluate"), "evaluate", on_evaluate)


def title_of(call: Call) -> str:
    """A training is called by the class of its model."""
    return type(call.owner).__name__


def on_fit(call: Call, fit: Fit) -> Training:
    """Record a training."""
    model, arguments = call.owner, call.arguments()
    fit.is_of(model)
    fit.describe(library="keras", version=keras.__version__, backend=keras.backend.backend())
    fit.log_params({name: arguments[name] for name in _ARGUMENTS if arguments.get(name) is not None})
    with guarded(call.function):
        _tell_data(
            fit, arguments.get("x"), arguments.get("y"), is_classes="crossentropy" in str(_name(model.loss))
        )
    given = arguments.get("callbacks")
    callback = _Told(fit)
    if isinstance(given, keras.callbacks.CallbackList):
        callback.set_model(model)
        given.callbacks.append(callback)
        try:
            yield None
        finally:
            given.callbacks.remove(callback)
    else:
        callbacks = keras.tree.flatten(given) if given else []
        yield {"callbacks": [*callbacks, callback]}
    with guarded(call.function):
        _tell_stopping(fit, model, given)
    _keep(fit, model)


def on_evaluate(call: Call) -> Training:
    """Record what a model that was trained here scores."""
    yield None
    model = call.owner
    fit, run = fit_of(model), users_run()
    scores = {f"evaluate_{name}": value for name, value in _numbers(model.get_metrics_result()).items()}
    if fit is not None:
        fit.log_metrics(scores)
    elif run is not None:
        run.log_metrics(scores)


class _Told(keras.callbacks.Callback):  # type: ignore[misc]  # keras isn't there where types are checked
    """Records what Keras reports.

    Args:
        fit: the training.
    """

    async_safe = True  # steps are told by the number of the batch, in whichever order they come

    def __init__(self, fit: Fit) -> None:
        super().__init__()
        self._fit = fit
        self._before = 0
        self._count = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """The model is built, and all is known of it."""
        with guarded(self.on_train_begin):
            self._fit.log_params(_described(self.model))
            lines: list[str] = []
            self.model.summary(print_fn=lambda line, **_: lines.append(line), line_length=100)
            self._fit.run.log_text("\n".join(lines), f"{self._fit.prefix}model.txt")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """What Keras shows after a batch: its means over the epoch so far."""
        with guarded(self.on_train_batch_end):
            self._count = max(self._count, batch + 1)
            told = {f"batch_{name}": value for name, value in _numbers(logs).items()}
            self._fit.log_metrics(told, self._before + batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """What the history of the training has of an epoch."""
        with guarded(self.on_epoch_end):
            self._before, self._count = self._before + self._count, 0
            told = _numbers(logs)
            rate = getattr(self.model.optimizer, "learning_rate", None)
            if rate is not None and "learning_rate" not in told:
                told["learning_rate"] = float(rate)
            self._fit.log_metrics(told, epoch)


def _owner(name: str) -> type:
    """The class that has a function of all models as its own: a different one for each backend."""
    owner: type = next(each for each in keras.Model.__mro__ if name in vars(each))
    return owner


def _numbers(logs: Mapping[str, Any] | None) -> dict[str, float]:
    """What of reported values is a number."""
    found = {}
    for name, value in (logs or {}).items():
        try:
            found[name] = float(value)
        except (TypeError, ValueError):
            continue  # a table, of a metric that has several values
    return found


def _described(model: Any) -> dict[str, Any]:
    """Say how a model was compiled, and how large it is."""
    trainable = sum(_size(each) for each in model.trainable_variables)
    found: dict[str, Any] = {
        "model": type(model).__name__,
        "model.parameters": model.count_params(),
        "model.trainable": trainable,
        "loss": _name(model.loss),
        "jit_compile": model.jit_compile,
    }
    metrics = (model.get_compile_config() or {}).get("metrics")
    if metrics:
        found["metrics"] = metrics
    optimizer = model.optimizer
    if optimizer is not None:
        found["optimizer"] = type(optimizer).__name__
        config = {key: value for key, value in optimizer.get_config().items() if value is not None}
        found |= {f"optimizer.{key}": value for key, value in config.items()}
    return found


def _size(variable: Any) -> int:
    size = 1
    for length in variable.shape:
        size *= length
    return size


def _name(what: Any) -> Any:
    """What a loss is called."""
    if isinstance(what, Mapping):
        return {key: _name(each) for key, each in what.items()}
    if isinstance(what, list | tuple):
        return [_name(each) for each in what]
    return what if isinstance(what, str) else getattr(what, "name", None) or getattr(what, "__name__", None)


def _tell_data(fit: Fit, x: Any, y: Any, *, is_classes: bool) -> None:
    """Describe arrays and tables that are trained on; what else there is, is read as it goes."""
    told: dict[str, Any] = {}
    if _is_table(x):
        told["X"] = describe_features(x, with_digest=fit.options.datasets)
        origin = origin_of(x) if fit.options.datasets else None
        if origin is not None:
            told["from"] = tell_origin(fit, origin, "rows.npz")
    elif x is not None:
        told["X"] = {"kind": type(x).__qualname__}
    if _is_table(y):
        told["y"] = describe_target(y, is_classes=is_classes, with_digest=fit.options.datasets)
    fit.describe(data=told)


def _is_table(data: Any) -> bool:
    return isinstance(data, np.ndarray) or hasattr(data, "iloc")


def _tell_stopping(fit: Fit, model: Any, given: Any) -> None:
    """Say whether a training was ended early, and which of its epochs was the best."""
    callbacks = getattr(given, "callbacks", None) or (keras.tree.flatten(given) if given else [])
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.EarlyStopping):
            is_early = bool(model.stop_training and callback.stopped_epoch)
            fit.describe(
                early_stopping={
                    "monitor": callback.monitor,
                    "patience": callback.patience,
                    "stopped_epoch": callback.stopped_epoch if is_early else None,
                    "best_epoch": callback.best_epoch,
                    "best": None if callback.best is None else float(callback.best),
                    "restored_best_weights": bool(callback.restore_best_weights),
                }
            )
        elif isinstance(callback, keras.callbacks.ModelCheckpoint):
            fit.describe(checkpoint={"path": str(callback.filepath), "monitor": callback.monitor})


def _keep(fit: Fit, model: Any) -> None:
    """Keep the trained model in Keras' own format."""
    if not fit.options.models:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        if path.stat().st_size > fit.options.model_bytes:
            fit.describe(models_left_out=f"{type(model).__name__}: it has {path.stat().st_size} bytes")
            return
        fit.run.log_model(
            type(model).__name__,
            path,
            metadata={"keras": keras.__version__, "model.parameters": model.count_params()},
            format="keras",
            signature=_signature(model),
        )


def _signature(model: Any) -> dict[str, Any] | None:
    """The tensors that a model takes and gives, where it is made of layers that know."""
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        return None
    return {
        name: [
            {"name": each.name, "dtype": str(each.dtype), "shape": list(each.shape)}
            for each in keras.tree.flatten(tensors)
        ]
        for name, tensors in (("inputs", inputs), ("outputs", outputs))
    }
