"""What a command speaks to: standard output for answers, standard error for everything said beside them.

An answer is one JSON-able value. With `--json` the value itself is written; otherwise a page is made
from it and drawn, in colour on a terminal and as plain aligned text anywhere else.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from whence.errors import InputError

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_BRAILLE = range(0x2801, 0x2900)  # curves
_ASCII = str.maketrans("│├└─━╌●·…✓✗→▁▂▃▄▅▆▇█", "||`-=-*..+x>_..--==#") | dict.fromkeys(_BRAILLE, "*")


class Screen:
    """Where one command's answer goes.

    Args:
        as_json: whether programs read it.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    @property
    def has_colour(self) -> bool:
        """Whether what is shown to people is shown in colours."""
        return _has_colour(sys.stdout)

    def show(self, value: dict[str, Any], page: Callable[[dict[str, Any]], list[Any]]) -> None:
        """Give the answer: the value, or the page that is made from it."""
        if self.as_json:
            self.write_json(value)
            return
        drawing = importlib.import_module("whence.cli.drawing")  # loads rich
        self.write(drawing.drawn(page(value), is_terminal=_is_terminal(sys.stdout), colour=self.has_colour))

    def write_json(self, value: Any) -> None:
        """Write a value as JSON: indented on a terminal, one line for a pipe; NaN and infinities are null."""
        text = json.dumps(
            jsonable(value),
            indent=2 if _is_terminal(sys.stdout) else None,
            ensure_ascii=not _is_unicode(sys.stdout),
            allow_nan=False,
        )
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """Write text to standard output, now.

        Raises:
            BrokenPipeError: nobody reads any more.
            InputError: standard output can't be written.
        """
        self._write(lambda: sys.stdout.write(encodable(text, sys.stdout)))

    def write_bytes(self, data: bytes) -> None:
        """Write bytes as they are to standard output, whichever letters it has; raises as `write` does."""
        sys.stdout.flush()
        self._write(lambda: sys.stdout.buffer.write(data))

    def _write(self, act: Callable[[], object]) -> None:
        try:
            act()
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            fold_stdout()
            raise InputError(
                f"standard output can't be written ({error.strerror or error})",
                remedy="Send it where there is space.",
            ) from error

    def say(self, text: str) -> None:
        """Say something beside the answer, on standard error."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(encodable(text, sys.stderr) + "\n")
            sys.stderr.flush()

    def progress(self, text: str) -> None:
        """Overwrite the last line of a terminal's standard error; nothing where nobody watches."""
        if _is_terminal(sys.stderr) and not self.as_json:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write("\r\x1b[K" + encodable(text, sys.stderr))
                sys.stderr.flush()


@contextlib.contextmanager
def watched(screen: Screen) -> Iterator[Callable[[str], None]]:
    """Let long work say how far it is, where somebody watches; the line is empty again when it ends."""
    try:
        yield screen.progress
    finally:
        screen.progress("")


def jsonable(value: Any) -> Any:
    """Make a value JSON: keys as text, bytes in hexadecimal, no NaN, no infinities."""
    if isinstance(value, dict):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.hex()
    return value


def visible(text: str) -> str:
    """Show what a terminal would obey: control characters, direction marks and stray bytes as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in _HIDDEN else ascii(char)[1:-1]
        for char in text
    )


def encodable(text: str, stream: TextIO) -> str:
    """Replace what a stream can't hold: lines and marks by their ASCII likeness, the rest by escapes."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if not _is_unicode(stream):
        text = text.translate(_ASCII)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def fold_stdout() -> None:
    """Send the rest of standard output nowhere, so that the interpreter's last flush can't complain."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _is_unicode(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("_", "-").startswith("utf")


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _has_colour(stream: TextIO) -> bool:
    """On a terminal that can, unless the user said NO_COLOR (no-color.org)."""
    return _is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
