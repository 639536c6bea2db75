"""The demo: a real pipeline over real images, start to finish, and the questions afterwards.

It is written as a user would write it: the pipeline runs as a program of its own, in a folder where
the user can open, edit and run it again, and everything told about it afterwards comes from its record.
"""

from __future__ import annotations

import pathlib

__all__ = ["run_demo"]


def run_demo(folder: pathlib.Path, *, as_json: bool) -> int:
    """Train on real images in a folder, then ask the record whence, whither and again.

    Args:
        folder: made if it isn't there; a second demo in it trains again, with its `digits.py` as it is now.
        as_json: one JSON object on standard output, rather than text.

    Returns:
        The exit code: 0, or 1 where the record doesn't hold or the sample came out different.

    Raises:
        InputError: the folder holds something else, or the pipeline in it, perhaps edited, failed.
        MissingExtraError: Pillow isn't installed.
        StoreError: the folder can't be written.
    """
    from whence.demo.telling import tell  # noqa: PLC0415 - loads rich, NumPy and Pillow on first use

    return tell(folder, as_json=as_json)
