"""Opening files, with our words for what can go wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

from whence.errors import SourceError, WhenceError


@contextmanager
def opened(path: str) -> Iterator[FileIO]:
    """Open a file without a buffer.

    Raises:
        SourceError: it is missing or can't be read.
    """
    try:
        with FileIO(path) as handle:
            yield handle
    except WhenceError:  # the witness stores what it is told, and a full disk is not this file's fault
        raise
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str, error: OSError) -> SourceError:
    """Say why a path can't be read, and what to do about it."""
    if isinstance(error, FileNotFoundError):
        problem, remedy = f"{path} does not exist", f"Check the path; it is read from {os.getcwd()}."
    elif isinstance(error, PermissionError):
        problem, remedy = f"{path} may not be read", "Change its permissions, or run as a user who may."
    elif isinstance(error, IsADirectoryError):
        problem, remedy = f"{path} is a folder, where a file was expected", "Give the files in it."
    elif isinstance(error, NotADirectoryError):
        problem, remedy = f"{path} is not in a folder", "Check which part of the path is a file."
    else:
        problem, remedy = f"{path} can't be read: {error.strerror or error}", "Check the disk it is on."
    return SourceError(problem, remedy=remedy, place=path)
