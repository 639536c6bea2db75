"""What a callback is given: a dataset of a stream, or the loader over one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from whence.errors import InputError


@runtime_checkable
class Held(Protocol):
    """What counts a batch as received when it is told that the training step goes on to it."""

    @property
    def waiting(self) -> int:
        """How many batches were handed out and not come to."""

    def hold(self) -> None:
        """From the next iteration on, wait to be told."""

    def release(self) -> None:
        """Wait no longer."""

    def rehearse(self) -> None:
        """Hand out what was received before, too."""

    def took(self, count: int = 1) -> None:
        """The training step goes on to the next."""

    def state_dict(self) -> dict[str, Any]:
        """Say where the training stands."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on there."""


def as_held(data: Any) -> Held:
    """Take the dataset that a callback speaks to.

    Args:
        data: what `stream.to_torch()` gave, or a loader over it.

    Raises:
        InputError: it is neither.
    """
    found = data if isinstance(data, Held) else getattr(data, "dataset", None)
    if not isinstance(found, Held):
        raise InputError(
            f"WhenceCallback(data): wanted stream.to_torch() or a loader over it, got {type(data).__name__}",
            remedy="Give it the dataset that the trainer reads for training.",
        )
    return found
