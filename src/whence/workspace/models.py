"""Models: the versions of a name, over all runs."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from whence.errors import NotFoundError
from whence.vocab import digest_text
from whence.workspace.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A version of a model.

    Args:
        name: its name.
        version: counts the versions of the name by time, from 1.
        digest: of its bytes.
        size_bytes: how many there are.
        metadata: as it was given.
        run: the run that made it.
    """

    name: str
    version: int
    digest: str
    size_bytes: int
    metadata: dict[str, Any]
    run: Run

    def load_bytes(self) -> bytes:
        """Read its bytes, checked against the digest."""
        return self.run.record.read_object(bytes.fromhex(self.digest.removeprefix("sha256:")))


def find_model(runs: Iterable[Run], reference: str, *, place: pathlib.Path) -> Model:
    """Find a model by `NAME`, `NAME@VERSION` or `NAME@latest`; raises `NotFoundError`."""
    name, _, version = reference.partition("@")
    versions = list_models(runs, name)
    if not versions:
        raise NotFoundError(f"no model {name!r} in {place}", remedy="whence runs lists the runs.")
    if version in ("", "latest"):
        return versions[-1]
    found = [model for model in versions if str(model.version) == version]
    if not found:
        raise NotFoundError(
            f"no version {version!r} of model {name!r}", remedy=f"There are 1 to {len(versions)}."
        )
    return found[0]


def list_models(runs: Iterable[Run], name: str | None = None) -> list[Model]:
    """List the models, or the versions of one, oldest first."""
    made = []
    for run in runs:
        made += [(body["at_ns"], run, body) for body in run.record.models if name in (None, body["name"])]
    counts: dict[str, int] = {}
    found = []
    for _, run, body in sorted(made, key=lambda entry: entry[0]):
        counts[body["name"]] = counts.get(body["name"], 0) + 1
        found.append(
            Model(
                name=body["name"],
                version=counts[body["name"]],
                digest=digest_text(body["digest"]),
                size_bytes=body["bytes"],
                metadata=body["metadata"],
                run=run,
            )
        )
    return found
