"""Who made what a run read: files known again by their digests, whatever they are called now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from whence.runs import RunRecord
from whence.store import Named

_MADE = ("model", "artifact", "written")


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """A run that made what another one read.

    Attributes:
        run: the run's name.
        kind: what it made of it: `model`, `artifact`, or `written` for a file.
        name: of the model or artifact, or the file's path.
    """

    run: str
    kind: str
    name: str

    def to_json(self) -> dict[str, str]:
        """The same as a dict."""
        return {"run": self.run, "kind": self.kind, "name": self.name}


def makers_of(
    record: RunRecord, find: Callable[[bytes], Iterable[Named]], name_of: Callable[[str], str]
) -> dict[str, Maker]:
    """Find the runs that made the inputs of a run.

    Args:
        record: the run.
        find: gives what runs have of a digest.
        name_of: gives a run's name by its id.

    Returns:
        The makers, by the inputs' paths: of several the last one before the input was opened. What a run kept
        as a model or artifact comes before the file that it wrote.
    """
    found: dict[str, Maker] = {}
    for each in record.inputs:
        if each.digest is None:
            continue
        before = [
            named
            for named in find(bytes.fromhex(each.digest.removeprefix("sha256:")))
            if named.kind in _MADE and named.run_id != record.id and named.at_ns <= each.last_at_ns
        ]
        if before:
            last = max(before, key=lambda named: (named.run_id, -_MADE.index(named.kind), named.at_ns))
            found[each.path] = Maker(run=name_of(last.run_id), kind=last.kind, name=last.name)
    return found
