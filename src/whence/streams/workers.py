"""How many processes read a stream, and how they begin: a wish, which changes nothing of what is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whence.ops import check_count


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that a stream is read with.

    Args:
        count: how many; 0 reads in this process.
        start: how they begin, "fork" or "spawn"; None: as is usual on this system.
        prepare: what each does first, given its number.
    """

    count: int = 0
    start: str | None = None
    prepare: Callable[[int], None] | None = None

    @classmethod
    def of(cls, count: Any, start: Any, where: str) -> Workers:
        """Check what was asked for.

        Raises:
            PlanError: no number of processes, or no way for them to begin.
        """
        check_count(count, where)
        if start is not None:
            from whence.processes import as_start  # noqa: PLC0415 - they are loaded where they are used

            as_start(start)
        return cls(int(count), start)


NONE = Workers()
