"""Lightning: `fit`, `validate` and `test` of its trainer, under each of its two names.

What is logged is heard where Lightning hands it to its loggers, in the very values and at the very steps; a
logger of ours would be another one than the user's for `self.logger` and for the folders of checkpoints.
"""

from __future__ import annotations

import functools
import math
import sys
import weakref
from collections.abc import Callable
from typing import Any

from whence.integrations.autologging import torch_parts as parts
from whence.integrations.autologging.fits import Fit, fit_of, users_run
from whence.integrations.autologging.patches import Call, Patches, Training, guarded
from whence.integrations.autologging.torch_weights import Trained

_SETTINGS = (
    "accumulate_grad_batches",
    "gradient_clip_algorithm",
    "gradient_clip_val",
    "limit_train_batches",
    "limit_val_batches",
    "log_every_n_steps",
    "max_epochs",
    "max_steps",
    "min_epochs",
    "min_steps",
    "num_devices",
    "num_nodes",
    "precision",
    "val_check_interval",
)

_fits: weakref.WeakKeyDictionary[Any, Callable[[dict[str, float], int], None]] = weakref.WeakKeyDictionary()
"""Where it goes what a trainer logs now."""


def arrived(module: Any, patches: Patches) -> None:
    """Hear of the trainings, validations and tests of all trainers."""
    kind = _callback_of(module.Callback)
    trainer = module.Trainer
    patches.training(trainer, "fit", functools.partial(on_fit, kind), title=title_of)
    for name in ("validate", "test"):
        patches.watching(trainer, name, on_evaluation)
    connector = sys.modules[f"{module.__name__}.trainer.connectors.logger_connector.logger_connector"]
    patches.put(connector._LoggerConnector, "log_metrics", _around_logging)


def title_of(call: Call) -> str | None:
    """A training is called by the class of its module; further ranks record nothing."""
    if not call.owner.is_global_zero:
        return None
    model = call.arguments()["model"]
    return type(parts.unwrapped(model)).__name__


def on_fit(kind: Callable[[Fit], Any], call: Call, fit: Fit) -> Training:
    """Record a training."""
    trainer, arguments = call.owner, call.arguments()
    model = arguments["model"]
    fit.is_of(model)
    fit.describe(library="lightning", version=_version(trainer))
    fit.log_params(_settings(trainer))
    for each in (model, arguments.get("datamodule")):
        hparams = getattr(each, "hparams", None)
        if hparams:
            fit.log_params({f"hparams.{key}": parts.told(value) for key, value in dict(hparams).items()})
    callback = kind(fit)
    trainer.callbacks.append(callback)
    _fits[trainer] = fit.log_metrics
    try:
        yield None
    finally:
        trainer.callbacks.remove(callback)
        _fits.pop(trainer, None)
        callback.stop_looking()
        with guarded(_tell_end):
            _tell_end(fit, trainer)
        with guarded(Trained.keep):
            if callback.trained is not None:
                callback.trained.keep(fit)


def on_evaluation(call: Call) -> Training:
    """Record what a model that was trained here scores."""
    trainer = call.owner
    model = call.arguments().get("model") or trainer.lightning_module
    fit, run = fit_of(model), users_run()
    if trainer.is_global_zero and (fit is not None or run is not None):
        _fits[trainer] = fit.log_metrics if fit is not None else run.log_metrics  # type: ignore[union-attr]  # one is
    try:
        yield None
    finally:
        _fits.pop(trainer, None)


def _around_logging(original: Callable[..., Any]) -> Callable[..., Any]:
    """Hear what is logged, whether there are loggers or not; what Lightning tries out first is left out."""

    @functools.wraps(original)
    def log_metrics(connector: Any, metrics: Any, step: int | None = None) -> Any:
        trainer = connector.trainer
        tell = _fits.get(trainer)
        if tell is not None and metrics and not trainer.sanity_checking:
            with guarded(original):
                told = {name: each for name, value in metrics.items() if (each := _number(value)) is not None}
                at = told.pop("step", None) if step is None else step
                if at is None:
                    at = trainer.fit_loop.epoch_loop._batches_that_stepped
                    told.setdefault("epoch", trainer.current_epoch)
                tell(told, int(at))
        return original(connector, metrics, step)

    return log_metrics


def _callback_of(kind: type) -> Callable[[Fit], Any]:
    """Make a callback of ours; Lightning comes under two names, each with callbacks of its own."""

    class Told(kind):  # type: ignore[misc]  # it is one of the two
        """Records what is known when the training begins, and learning rates.

        Args:
            fit: the training.
        """

        def __init__(self, fit: Fit) -> None:
            self._fit = fit
            self._rates: dict[str, float] = {}
            self.trained: Trained | None = None
            self.stop_looking: Callable[[], None] = lambda: None

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            """All is built, and nothing trained."""
            with guarded(self.on_train_start):
                trained = self.trained = Trained(pl_module, self._fit.options.model_bytes)
                self.stop_looking = trained.watch_forward(pl_module)
                self._fit.log_params(trained.facts | parts.settings())
                self._fit.run.log_text(trained.text, f"{self._fit.prefix}model.txt")
                for number, optimizer in enumerate(trainer.optimizers, start=1):
                    name = "optimizer" if number == 1 else f"optimizer{number}"
                    self._fit.log_params(parts.optimizer_params(optimizer, name))
                schedulers = [each.scheduler for each in trainer.lr_scheduler_configs]
                for optimizer in trainer.optimizers[:1]:
                    self._fit.log_params(parts.scheduler_params(optimizer, schedulers, "scheduler"))

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            """Learning rates where they change."""
            with guarded(self.on_train_batch_start):
                for number, optimizer in enumerate(trainer.optimizers, start=1):
                    name = "lr" if number == 1 else f"optimizer{number}.lr"
                    rate = optimizer.param_groups[0].get("lr")
                    if isinstance(rate, float) and self._rates.get(name) != rate:
                        self._rates[name] = rate
                        self._fit.log_metrics({name: rate}, trainer.global_step)

    return Told


def _number(value: Any) -> float | None:
    """A logged value; of a metric with several, none."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _version(trainer: Any) -> str:
    package = type(trainer).__mro__[-2].__module__.partition(".")[0]
    return str(getattr(sys.modules.get(package), "__version__", "unknown"))


def _settings(trainer: Any) -> dict[str, Any]:
    """Say how a trainer was set up."""
    found = {name: parts.told(getattr(trainer, name, None)) for name in _SETTINGS}
    found["accelerator"] = type(trainer.accelerator).__name__
    found["strategy"] = type(trainer.strategy).__name__
    return {name: value for name, value in found.items() if value is not None}


def _tell_end(fit: Fit, trainer: Any) -> None:
    """Say how far a training came, whether it was ended early, and which checkpoint is the best."""
    fit.describe(epochs=trainer.current_epoch, steps=trainer.global_step)
    for callback in trainer.early_stopping_callbacks:
        fit.describe(
            early_stopping={
                "monitor": callback.monitor,
                "patience": callback.patience,
                "stopped_epoch": callback.stopped_epoch or None,
                "best": _finite(callback.best_score),
            }
        )
    for callback in trainer.checkpoint_callbacks:
        fit.describe(
            checkpoint={
                "monitor": getattr(callback, "monitor", None),
                "best_model_path": str(getattr(callback, "best_model_path", "")),
                "best_model_score": _finite(getattr(callback, "best_model_score", None)),
                "last_model_path": str(getattr(callback, "last_model_path", "")),
            }
        )


def _finite(value: Any) -> float | None:
    number = None if value is None else _number(value)
    return number if number is not None and math.isfinite(number) else None
