"""Lightning: its fetcher takes batches before the training step uses them; the callback says when that is."""

from __future__ import annotations

from typing import Any

from whence.errors import MissingExtraError
from whence.integrations.held import as_held

try:
    from lightning.pytorch import Callback
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] != "lightning":
        raise
    raise MissingExtraError("lightning", extra="lightning", need="WhenceCallback") from error


class WhenceCallback(Callback):  # type: ignore[misc]  # lightning isn't there where types are checked
    """Records each batch where the training step begins to use it, and keeps the place in checkpoints.

    Args:
        data: what `stream.to_torch()` gave for training, or the loader over it.
    """

    def __init__(self, data: Any) -> None:
        self._data = as_held(data)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Before loaders are read."""
        if stage == "fit":
            self._data.hold()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """The training step is about to use a batch."""
        self._data.took()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """After the training."""
        if stage == "fit":
            self._data.release()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The training ends where it is."""
        self._data.release()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"data": self._data.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint."""
        self._data.load_state_dict(state_dict["data"])
