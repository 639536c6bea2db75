"""Versions of models and datasets as users hold them: their number, and what was decided of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whence.runs import plain_pairs
from whence.store import Folder
from whence.workspace.artifacts import Logged
from whence.workspace.decided import Note, note_of
from whence.workspace.shelf import Shelf, Version


class Versioned(Logged):
    """A version of something that has a name: it can be given aliases, brought to stages, described."""

    def __init__(self, folder: Folder, version: Version, shelf: Shelf) -> None:
        super().__init__(folder, version.named)
        self._version = version
        self._shelf = shelf

    def __repr__(self) -> str:
        return f"<whence {type(self).__name__.lower()} {self.reference} {self.digest[:19]}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Versioned) and other._version.place == self._version.place

    def __hash__(self) -> int:
        return hash(self._version.place)

    @property
    def version(self) -> int:
        """Its number among the versions of its name."""
        return self._version.version

    @property
    def reference(self) -> str:
        """Its name and number, `digits@3`."""
        return self._version.reference

    @property
    def metadata(self) -> dict[str, Any]:
        """What was said of it when it was logged, and since; see `describe`."""
        return {**self._body.get("metadata", {}), **self._shelf.decided().described(self._version.place)}

    # what was decided

    @property
    def aliases(self) -> list[str]:
        """The aliases that it has now."""
        return self._shelf.aliases(self._version)

    @property
    def stage(self) -> str | None:
        """The stage that it is in now."""
        return self._shelf.decided().stage(self._version.place)

    @property
    def history(self) -> list[Note]:
        """What was decided about it: who, when and why, the earliest first."""
        return [note_of(each) for each in self._shelf.decided().about(self._version.place)]

    @property
    def stages(self) -> list[Note]:
        """The stages that it was brought to, the earliest first."""
        return [each for each in self.history if each.kind == "stage"]

    def set_alias(self, alias: str, *, note: str = "") -> None:
        """Give it an alias; whichever version had it loses it."""
        self._shelf.set_alias(self._version, alias, note)

    def remove_alias(self, alias: str, *, note: str = "") -> None:
        """Take an alias away from it; raises `NotFoundError` where it hasn't it."""
        self._shelf.remove_alias(self._version, alias, note)

    def set_stage(self, stage: str | None, *, note: str = "") -> None:
        """Bring it to a stage, in words of yours; None takes it out of the one that it is in."""
        self._shelf.set_stage(self._version, stage, note)

    def describe(self, metadata: Mapping[str, Any], *, note: str = "") -> None:
        """Add metadata, which replace what has the same name; what was said before stays in the history."""
        self._shelf.describe(self._version, plain_pairs("metadata", metadata), note)
