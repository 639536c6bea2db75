"""Transformers: its trainer takes all batches of an update and one more before the first of them is used."""

from __future__ import annotations

from typing import Any

from whence.errors import InputError, MissingExtraError
from whence.integrations.held import as_held

try:
    from transformers.trainer_callback import ExportableState, TrainerCallback
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] != "transformers":
        raise
    raise MissingExtraError("transformers", extra="transformers", need="WhenceCallback") from error


class WhenceCallback(TrainerCallback, ExportableState):  # type: ignore[misc]  # not there where types are checked
    """Records each batch where the training step begins to use it, and keeps the place in checkpoints.

    Args:
        data: what `stream.to_torch()` gave for training.
    """

    def __init__(self, data: Any) -> None:
        self._data = as_held(data)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Before the loader is read; goes on where a checkpoint was.

        Raises:
            InputError: the checkpoint doesn't say where that was, or the trainer couldn't find it.
        """
        self._data.hold()
        if not state.global_step:
            return
        saved = state.stateful_callbacks.get(type(self).__name__)
        if saved is None:
            raise InputError(
                "this checkpoint doesn't say where its data was",
                remedy="Resume from one that was written with the WhenceCallback.",
            )
        if not args.ignore_data_skip:
            if not hasattr(self._data, "__len__"):
                raise InputError(
                    "the trainer can't tell how much of a stream of unknown length it has to leave out",
                    remedy="Write TrainingArguments(ignore_data_skip=True): the stream goes on by itself.",
                )
            self._data.rehearse()
        self._data.load_state_dict(saved["attributes"]["data"])

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The first batch of an update is about to be used."""
        self._data.took()

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The next batch of an update is about to be used, if there is one."""
        if self._data.waiting and not (control.should_epoch_stop or control.should_training_stop):
            self._data.took()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After the training."""
        self._data.release()

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"args": {}, "attributes": {"data": self._data.state_dict()}}
