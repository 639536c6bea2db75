"""Hugging Face Transformers: `train` and `evaluate` of its trainer, by a callback of ours."""

from __future__ import annotations

import contextlib
import math
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import transformers
from transformers.trainer_callback import EarlyStoppingCallback, TrainerCallback
from transformers.utils import logging

from whence.integrations.autologging import torch_parts as parts
from whence.integrations.autologging.fits import Fit, fit_of, users_run
from whence.integrations.autologging.patches import Call, Patches, Training, guarded
from whence.integrations.autologging.torch_weights import Trained


def arrived(module: Any, patches: Patches) -> None:
    """Hear of the trainings and evaluations of all trainers."""
    patches.training(module.Trainer, "train", on_train, title=title_of)
    patches.watching(module.Trainer, "evaluate", on_evaluate)


def title_of(call: Call) -> str | None:
    """A training is called by the class of its model; further ranks record nothing."""
    trainer = call.owner
    if not trainer.is_world_process_zero():
        return None
    model = trainer.model
    return "Trainer" if model is None else type(parts.unwrapped(model)).__name__


def on_train(call: Call, fit: Fit) -> Training:
    """Record a training."""
    trainer = call.owner
    fit.describe(library="transformers", version=transformers.__version__)
    arguments = trainer.args.to_dict()
    fit.log_params({key: value for key, value in arguments.items() if value is not None})
    callback = _Told(fit)
    trainer.add_callback(callback)
    try:
        yield None
    finally:
        trainer.remove_callback(callback)
        callback.stop_looking()
        with guarded(_tell_end):
            _tell_end(fit, trainer)
        if trainer.model is not None:
            fit.is_of(trainer)
            with guarded(_keep):
                _keep(fit, trainer, callback.trained)


def on_evaluate(call: Call) -> Training:
    """Record what a trainer finds after its training."""
    metrics = yield None
    trainer = call.owner
    fit, run = fit_of(trainer), users_run()
    told = {name: value for name, value in (metrics or {}).items() if _is_number(value)}
    if trainer.is_world_process_zero() and told:
        if fit is not None:
            fit.log_metrics(told, trainer.state.global_step)
        elif run is not None:
            run.log_metrics(told, trainer.state.global_step)


class _Told(TrainerCallback):  # type: ignore[misc]  # transformers isn't there where types are checked
    """Records what the trainer reports.

    Args:
        fit: the training.
    """

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self.trained: Trained | None = None
        self.stop_looking: Any = lambda: None
        self._checkpoints: list[str] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """All is built, and nothing trained."""
        with guarded(self.on_train_begin):
            trained = self.trained = Trained(model, self._fit.options.model_bytes)
            self.stop_looking = trained.watch_forward(model)
            self._fit.log_params(trained.facts | parts.settings())
            self._fit.run.log_text(trained.text, f"{self._fit.prefix}model.txt")
            self._fit.describe(**_described(model, kwargs))
            config: Any = getattr(model, "config", None)
            if hasattr(config, "to_dict"):
                self._fit.run.log_dict(config.to_dict(), f"{self._fit.prefix}config.json")
            optimizer = kwargs.get("optimizer")
            if optimizer is not None:
                optimizer = getattr(optimizer, "optimizer", optimizer)  # Accelerate's holds it
                self._fit.log_params(parts.optimizer_params(optimizer, "optimizer"))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Something was added to the trainer's history; from `logs` other callbacks take parts away."""
        with guarded(self.on_log):
            added = state.log_history[-1].items()
            told = {name: value for name, value in added if name != "step" and _is_number(value)}
            self._fit.log_metrics(told, state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A checkpoint was written."""
        with guarded(self.on_save):
            self._checkpoints.append(f"{args.output_dir}/checkpoint-{state.global_step}")
            self._fit.describe(checkpoints=list(self._checkpoints))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _described(model: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Say what a model was made of: its parent, its tokenizer, the data it is trained on."""
    found: dict[str, Any] = {}
    parent = getattr(getattr(model, "config", None), "_name_or_path", None)
    if parent:
        found["parent"] = parent
    tokenizer = given.get("processing_class")
    if tokenizer is not None:
        found["tokenizer"] = {
            "class": type(tokenizer).__name__,
            "name": getattr(tokenizer, "name_or_path", None),
            "size": len(tokenizer) if hasattr(tokenizer, "__len__") else None,
        }
    loader = given.get("train_dataloader")
    data = getattr(loader, "dataset", None)
    if data is not None:
        found["data"] = {
            "class": type(data).__name__,
            "rows": len(data) if hasattr(data, "__len__") else None,
            "fingerprint": getattr(data, "_fingerprint", None),
        }
    return found


def _tell_end(fit: Fit, trainer: Any) -> None:
    """Say how far a training came, whether it was ended early, and which checkpoint was the best."""
    state = trainer.state
    fit.describe(steps=state.global_step, epochs=state.epoch)
    if state.best_metric is not None:
        fit.describe(
            best={
                "metric": trainer.args.metric_for_best_model,
                "value": state.best_metric if math.isfinite(state.best_metric) else None,
                "step": getattr(state, "best_global_step", None),
                "checkpoint": state.best_model_checkpoint,
            }
        )
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, EarlyStoppingCallback):
            is_early = callback.early_stopping_patience_counter >= callback.early_stopping_patience
            fit.describe(
                early_stopping={
                    "patience": callback.early_stopping_patience,
                    "threshold": callback.early_stopping_threshold,
                    "stopped_step": state.global_step if is_early else None,
                }
            )


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    """Let nothing of ours be seen on the user's screen."""
    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()


def _keep(fit: Fit, trainer: Any, trained: Trained | None) -> None:
    """Keep the trained model as Transformers writes it; one that isn't a model of theirs, by its weights."""
    if trained is None or not fit.options.models:
        return
    model = parts.unwrapped(trainer.model)
    if not hasattr(model, "save_pretrained") or trained.is_shared_out:
        trained.keep(fit)
        return
    size = sum(each.nbytes for each in model.parameters())
    if size > fit.options.model_bytes:
        fit.describe(models_left_out=f"{trained.name}: it has {size} bytes")
        return
    parent = getattr(model.config, "_name_or_path", None)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / trained.name
        with _without_bars():
            model.save_pretrained(path)
            if hasattr(trainer.processing_class, "save_pretrained"):
                trainer.processing_class.save_pretrained(path)
        fit.run.log_model(
            trained.name,
            path,
            metadata=trained.facts | {"transformers": transformers.__version__},
            signature=trained.signature,
            parents={parent: "fine-tuned"} if parent else None,
        )
