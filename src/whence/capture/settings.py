"""What is recorded: the one setting that a user may want to change."""

from __future__ import annotations

from types import TracebackType
from typing import Literal, get_args

from whence.errors import PlanError

Record = Literal["full", "lineage", "off"]

_settings: dict[str, Record] = {"record": "full"}


class Configured:
    """The settings as they are now; used with `with`, they go back to what they were."""

    def __init__(self, before: Record) -> None:
        self._before = before

    @property
    def record(self) -> Record:
        """What passes record from now on."""
        return _settings["record"]

    def __enter__(self) -> Configured:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _settings["record"] = self._before

    def __repr__(self) -> str:
        return f"whence.config(record={self.record!r})"


def config(*, record: Record | None = None) -> Configured:
    """Change what passes record from now on, or within a `with` block.

    Args:
        record: "full" (everything), "lineage" (everything but content digests of the samples that
            were delivered, so that a replay can't be compared) or "off" (passes leave no record).

    Returns:
        The settings now in force.

    Raises:
        PlanError: not one of these words.
    """
    before = _settings["record"]
    if record is not None:
        if record not in get_args(Record):
            raise PlanError(
                f"config(record={record!r}): wanted one of {', '.join(get_args(Record))}",
                remedy='Write wh.config(record="lineage"), for example.',
            )
        _settings["record"] = record
    return Configured(before)


def record_mode() -> Record:
    """Tell what passes record now."""
    return _settings["record"]
