"""Keras: it looks into the first batch to build a model, and may take several for one step."""

from __future__ import annotations

from typing import Any

from whence.errors import MissingExtraError
from whence.integrations.held import as_held

try:
    import keras
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] != "keras":
        raise
    raise MissingExtraError("keras", extra="keras", need="WhenceCallback") from error


class WhenceCallback(keras.callbacks.Callback):  # type: ignore[misc]  # keras isn't there where types are checked
    """Records each batch where the training step begins to use it.

    Args:
        data: what `stream.to_torch()` gave for training, or the loader over it; held from here on, since a
            first batch is looked into before any callback hears of the training.
    """

    def __init__(self, data: Any) -> None:
        super().__init__()
        self._data = as_held(data)
        self._data.hold()

    def on_train_begin(self, logs: Any = None) -> None:
        """A training begins, perhaps another one."""
        self._data.hold()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """The training step is about to use a batch, or as many as a step takes; the last may find fewer."""
        self._data.took(min(self._data.waiting, self.model.steps_per_execution))

    def on_train_end(self, logs: Any = None) -> None:
        """After the training."""
        self._data.release()
