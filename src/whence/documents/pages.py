"""Pages: templates filled in, and files put in place whole."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
from typing import Any

import jinja2

from whence.documents.wording import counted, share_text
from whence.errors import InputError
from whence.store import explained


def render_page(template: str, **values: Any) -> str:
    """Fill a template in; everything is escaped."""
    return _environment().get_template(template).render(**values)


def write_page(path: str | os.PathLike[str], page: str) -> pathlib.Path:
    """Put a page in place all at once.

    Raises:
        StoreError: it can't be written there.
        InputError: the path is a folder.
    """
    target = pathlib.Path(path)
    if target.is_dir():
        raise InputError(f"{target}: a folder, wanted a file", remedy=f"Write {target / 'report.html'}.")
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    with explained(target):
        try:
            unfinished.write_text(page, encoding="utf-8", newline="\n")
            os.replace(unfinished, target)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise
    return target


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("whence.documents"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"counted": counted, "share": share_text}
    return environment
