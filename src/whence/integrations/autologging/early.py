"""What a program opened since autologging was switched on and before a run began: the data, usually.

A script reads its table first and trains then, and the run begins with the training. So what the interpreter
tells of opened files is kept until a run takes it over as what had been opened before. Nothing is imported
for that. Readers that open files without the interpreter, such as Arrow's, aren't heard before a run.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Literal

How = Literal["read", "written", "appended", "both", "unknown"]
Take = Callable[[str, How, int], object]

_MOST = 10_000
_CODE = (".py", ".pyc", ".so", ".pyd", ".dll")
_NO_FILE = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0) | getattr(os, "O_NOCTTY", 0)
"""No files, and what whence opens itself."""
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


class Early:
    """Files that were opened, as the interpreter tells it."""

    def __init__(self) -> None:
        self._is_installed = False
        self._is_on = False
        self._opened: dict[tuple[str, How], int] = {}

    def listen(self) -> None:
        """Hear from now on."""
        if not self._is_installed:
            sys.addaudithook(self._hook)  # it can't be taken away again, and looks at one flag then
            self._is_installed = True
        self._is_on = True

    def stop(self) -> None:
        """Hear no more, and forget."""
        self._is_on = False
        self._opened.clear()

    def tell(self, take: Take) -> None:
        """Tell all that was opened so far: the absolute path, how, and when, in nanoseconds since 1970."""
        for (path, how), at_ns in list(self._opened.items()):
            if not os.path.isdir(path):
                take(path, how, at_ns)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._is_on or event != "open":
            return
        path, _, flags = args
        if not isinstance(path, str) or flags & _NO_FILE or path.endswith(_CODE):
            return
        if len(self._opened) >= _MOST:
            return
        try:
            key = (os.path.abspath(path), _how(flags))
        except (OSError, ValueError):  # the working folder is gone, or it is no path
            return
        self._opened.setdefault(key, time.time_ns())


def _how(flags: int) -> How:
    access = flags & _ACCESS
    if access == os.O_RDONLY:
        return "read"
    if flags & os.O_APPEND:
        return "appended"
    return "both" if access == os.O_RDWR and not flags & (os.O_TRUNC | os.O_EXCL) else "written"


early = Early()
