"""With whom a run is begun: the group of processes it is one of, and the run its program was begun in."""

from __future__ import annotations

import os
from typing import Any

from whence.capture import RUN_VARIABLE, find_group
from whence.runs.naming import is_run_id
from whence.store import process_name


def begun_where() -> dict[str, Any]:
    """Tell of the group of this process, and of the run in which it was begun; nothing where it is alone."""
    found: dict[str, Any] = {}
    group = find_group(parent=lambda: process_name(os.getppid()))
    if group is not None:
        found["group"] = group
    begun_in = os.environ.get(RUN_VARIABLE, "")
    if is_run_id(begun_in):
        found["begun_in"] = begun_in
    return found


class Inherited:
    """Tells processes that are begun from now on in which run they are begun, until the run ends."""

    def __init__(self, run_id: str) -> None:
        self._before = os.environ.get(RUN_VARIABLE)
        self._run_id = os.environ[RUN_VARIABLE] = run_id

    def end(self) -> None:
        """Say what was said before, unless somebody has said something else since."""
        if os.environ.get(RUN_VARIABLE) == self._run_id:
            del os.environ[RUN_VARIABLE]
            if self._before is not None:
                os.environ[RUN_VARIABLE] = self._before
