"""Versions in lists: the newest of each name, or all of one name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from whence.workspace import Dataset, Model

Listed = TypeVar("Listed", Model, Dataset)


def shown_versions(versions: Sequence[Listed], name: str | None) -> list[tuple[Listed, int]]:
    """Choose what a list shows, each with how many versions it stands for.

    Args:
        versions: in the order in which they were logged.
        name: of which all are shown, the newest first; None for the newest of each name, names in order.
    """
    if name is not None:
        return [(each, 1) for each in reversed(versions)]
    by_name: dict[str, list[Listed]] = {}
    for each in versions:
        by_name.setdefault(each.name, []).append(each)
    return [(found[-1], len(found)) for _, found in sorted(by_name.items())]
