"""What runs kept by name, found without opening them: versions of models, artifacts, and decisions on them.

A reference is `NAME`, or `NAME@` with one of

    3                 the version that was given this number when it was logged
    latest            the one logged last
    champion          an alias: the version that it was given to last
    stage:production  the version that was brought to this stage last, of those that are in it
    sha256:…          the content itself, in any workspace; 8 hexadecimal digits or more

`sha256:…` alone is a content of any name, and `RUN/NAME` what a run logged under a name last. Only a whole
digest means the same for ever; aliases and stages are meant to move; a number is never given to another
version, and where two workspaces gave it to two of them, it is refused with both named.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from whence.capture import actor, redact
from whence.errors import InputError, NotFoundError, WhenceError
from whence.runs import Parent, check_name, log_waiting, make_run_id
from whence.store import Catalog, Folder, Logbook, Named, Registry, claim_version, counter_path
from whence.vocab import digest_text
from whence.workspace.decided import Decided
from whence.workspace.listing import catalog_row

_DIGEST = "sha256:"
_STAGE = "stage:"
_LATEST = "latest"
_LEAST_DIGITS = 8
_NAMED_IN_ERRORS = 5
_FIRST = {
    "model": "Log one: run.log_model(name, content).",
    "dataset": "Save one: stream.save(name).",
}


Kind = Literal["model", "dataset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a model or a dataset, as its run logged it.

    Args:
        version: its number.
        named: the event that tells of it.
    """

    version: int
    named: Named

    @property
    def name(self) -> str:
        """The model's name."""
        return self.named.name

    @property
    def digest(self) -> bytes:
        """Of its content."""
        found: bytes = self.named.body["digest"]
        return found

    @property
    def place(self) -> tuple[str, int]:
        """The run, and the number of the event: what decisions are about."""
        return self.named.run_id, self.named.number

    @property
    def reference(self) -> str:
        """How people call it."""
        return f"{self.name}@{self.version}"


class Shelf:
    """The models of a workspace, or its datasets, and its artifacts.

    Args:
        folder: the workspace.
        catalog: gives its index, up to date.
        kind: of what it finds the versions.
    """

    def __init__(
        self, folder: Folder, catalog: Callable[[], Catalog] | None = None, *, kind: Kind = "model"
    ) -> None:
        self._folder = folder
        self.kind: Kind = kind
        self.registry = Registry(folder)
        self._catalog = self._own_catalog if catalog is None else catalog
        self._kept_catalog: Catalog | None = None

    def close(self) -> None:
        """Close the index that it opened itself: a run that goes on keeps no file of others' open."""
        if self._kept_catalog is not None:
            self._kept_catalog.close()
            self._kept_catalog = None

    # finding

    def versions(self, name: str | None = None) -> list[Version]:
        """List the versions of a model, or of all, in the order in which they were logged."""
        return _numbered(self._catalog().named(kind=self.kind, name=name))

    def of_digest(self, digest: bytes) -> list[Version]:
        """List the versions that have a content."""
        names = dict.fromkeys(each.name for each in self._catalog().named(kind=self.kind, digest=digest))
        return [each for name in names for each in self.versions(name) if each.digest == digest]

    def find(self, reference: str) -> Version:
        """Find a model; see the module's docstring.

        Raises:
            NotFoundError: there is none, or there are several.
        """
        _check_reference(reference)
        if reference.startswith(_DIGEST):
            return self._of_content(self.versions(), reference, reference)
        before, slash, within = reference.partition("/")
        name, _, which = (within if slash else before).partition("@")
        versions = self.versions(name)
        if slash:
            versions = [each for each in versions if each.named.run_id == self._run_id(before)]
        if not versions:
            raise self._missing(reference, name)
        if which in ("", _LATEST):
            return versions[-1]
        if which.startswith(_DIGEST):
            return self._of_content(versions, which, reference)
        if which.startswith(_STAGE):
            return self._in_stage(versions, which.removeprefix(_STAGE), reference)
        if which.isdecimal():
            return self._of_number(versions, which, reference)
        return self._of_alias(versions, which, reference)

    def artifact(self, reference: str) -> Named:
        """Find what a run logged last under a name, by `RUN/NAME`; raises `NotFoundError`."""
        _check_reference(reference)
        run, slash, name = reference.partition("/")
        if not slash:
            raise NotFoundError(
                f"no artifact {reference!r:.80}", remedy='Write the run as well: "quiet-otter-17/roc.png".'
            )
        run_id = self._run_id(run)
        found = [each for each in self._catalog().named(kind="artifact", name=name) if each.run_id == run_id]
        if not found:
            raise NotFoundError(
                f"run {run} has no artifact {name!r:.80}", remedy=f"whence show {run} lists what it has."
            )
        return found[-1]

    def readers(self, digest: bytes) -> list[str]:
        """List the runs that read a content."""
        return list(
            dict.fromkeys(each.run_id for each in self._catalog().named(kind="model_used", digest=digest))
        )

    def children(self, digest: bytes) -> list[Version]:
        """List the models that were made from a content at once."""
        found = self._catalog().named(kind="parent", digest=digest)
        places = {(each.run_id, each.number) for each in found}
        names = dict.fromkeys(each.name for each in found)
        return [each for name in names for each in self.versions(name) if each.place in places]

    # logging

    def parents(self, given: Sequence[tuple[str, str]]) -> list[Parent]:
        """Find the models that another was made from; what isn't here stays as it was given, unknown."""
        return [self._parent(reference, how) for reference, how in given]

    def next_version(self, name: str) -> int:
        """Give the next version of a name its number; 0 where it can't be given one.

        Only where nothing was counted here yet the index is asked; a training waits for nobody otherwise.
        """
        above = 0
        counted = self._key(name)
        if not counter_path(self._folder, counted).exists():
            with contextlib.suppress(WhenceError):
                above = max((each.version for each in self.versions(name)), default=0)
        return claim_version(self._folder, counted, above=above)

    # deciding

    def set_alias(self, version: Version, alias: str, note: str) -> None:
        """Give an alias to a version; whichever had it before loses it."""
        named = check_name("set_alias", alias)
        if named.isdecimal() or named == _LATEST:
            raise InputError(
                f"set_alias({alias!r:.40}): this is what versions are called by themselves",
                remedy='Choose another name, "champion" for example.',
            )
        self._decide("alias", version, {"alias": named}, note)

    def remove_alias(self, version: Version, alias: str, note: str) -> None:
        """Take an alias away from a version; raises `NotFoundError` where it hasn't it."""
        held = self.aliases(version)
        if alias not in held:
            raise NotFoundError(
                f"{version.reference} has no alias {alias!r:.40}",
                remedy=f"It has: {', '.join(held) or 'none'}.",
            )
        self._decide("alias_removed", version, {"alias": alias}, note)

    def set_stage(self, version: Version, stage: str | None, note: str) -> None:
        """Bring a version to a stage; None takes it out of the one that it is in."""
        named = None if stage is None else check_name("set_stage", stage)
        self._decide("stage", version, {"stage": named}, note)

    def describe(self, version: Version, metadata: dict[str, Any], note: str) -> None:
        """Add metadata to a version, which replace what has the same name."""
        self._decide("description", version, {"metadata": metadata}, note)

    def aliases(self, version: Version) -> list[str]:
        """List the aliases that a version has now."""
        return self.decided().aliases(self._key(version.name), version.place)

    def decided(self) -> Decided:
        """Put together what was decided so far."""
        return Decided(self.registry.decisions())

    def _decide(self, kind: str, version: Version, said: dict[str, Any], note: str) -> None:
        run_id, number = version.place
        at_ns = time.time_ns()
        about = {"name": version.name, "version": version.version, "digest": version.digest}
        about |= {} if self.kind == "model" else {"what": self.kind}
        decision_id = make_run_id(at_ns // 1_000_000, secrets.token_bytes(10))
        Logbook(self._folder).wait(decision_id)
        self.registry.decide(
            kind,
            {"run": run_id, "event": number},
            about | said | {"who": actor(), "note": redact(str(note))},
            decision_id=decision_id,
            at_ns=at_ns,
        )
        log_waiting(self._folder, decision_id, is_new=True)

    def _key(self, name: str) -> str:
        """What a name is counted and decided by: a dataset may be called as a model is."""
        return name if self.kind == "model" else f"{self.kind}/{name}"

    def _of_number(self, versions: list[Version], which: str, reference: str) -> Version:
        found = [each for each in versions if each.version == int(which)]
        if not found:
            numbers = sorted({each.version for each in versions})
            raise NotFoundError(
                f"no version {which:.40} of {self.kind} {versions[0].name!r}",
                remedy=f"There are {_spans(numbers)}.",
            )
        if len({each.digest for each in found}) > 1:
            raise _several(self.kind, reference, found)
        return found[0]

    def _of_content(self, versions: list[Version], digits: str, reference: str) -> Version:
        wanted = digits.removeprefix(_DIGEST).lower()
        if len(wanted) < _LEAST_DIGITS:
            raise NotFoundError(
                f"{reference:.80}: too few digits", remedy=f"Give {_LEAST_DIGITS} or more of the digest."
            )
        found = [each for each in versions if each.digest.hex().startswith(wanted)]
        if not found:
            raise self._missing(reference, versions[0].name if versions else "")
        if len({each.digest for each in found}) > 1:
            raise _several(self.kind, reference, found)
        return found[0]

    def _of_alias(self, versions: list[Version], alias: str, reference: str) -> Version:
        holders = self.decided().holders(self._key(versions[0].name))
        if alias not in holders:
            raise NotFoundError(
                f"no alias or version {alias!r:.40} of {self.kind} {versions[0].name!r}",
                remedy=f"There are: {', '.join(sorted(holders))}."
                if holders
                else "Set one with whence alias.",
            )
        return self._at_place(versions, holders[alias], reference)

    def _in_stage(self, versions: list[Version], stage: str, reference: str) -> Version:
        places = [each.place for each in versions]
        decided = self.decided()
        found = decided.in_stage(places, stage)
        if found is None:
            stages = ", ".join(decided.stages(places))
            raise NotFoundError(
                f"no version of {self.kind} {versions[0].name!r} is in stage {stage!r:.40}",
                remedy=f"There are versions in {stages}." if stages else "Set it with whence stage.",
            )
        return self._at_place(versions, found, reference)

    def _at_place(self, versions: list[Version], place: tuple[str, int], reference: str) -> Version:
        for each in versions:
            if each.place == place:
                return each
        raise NotFoundError(
            f"{reference}: its version was logged by run {place[0]}, which isn't in {self._folder.path}",
            remedy="Bring the run here with whence sync, or set it to a version that is here.",
        )

    def _missing(self, reference: str, name: str) -> NotFoundError:
        names = list(dict.fromkeys(each.name for each in self.versions()))
        if name in names:
            return NotFoundError(
                f"no {self.kind} {reference!r:.120}",
                remedy=f"whence {self.kind}s {name} lists the versions.",
            )
        known = ", ".join(names[:_NAMED_IN_ERRORS])
        return NotFoundError(
            f"no {self.kind} {name or reference!r:.120} in {self._folder.path}",
            remedy=f"There are: {known}." if known else _FIRST[self.kind],
        )

    def _run_id(self, name: str) -> str:
        found = self._catalog().find(name)
        if len(found) != 1:
            problem = f"{name!r:.80} names {len(found)} runs" if found else f"no run {name!r:.80}"
            raise NotFoundError(f"{problem} in {self._folder.path}", remedy="whence runs lists the runs.")
        return found[0]

    def _parent(self, reference: str, how: str) -> Parent:
        try:
            found = self.find(reference)
        except WhenceError:
            _, _, digits = reference.rpartition(_DIGEST)
            is_digest = _DIGEST in reference and len(digits) == 64
            digest = _as_digest(digits) if is_digest else None
            return Parent(
                reference=reference, how=how, digest=digest, name=None, version=None, run="", number=-1
            )
        run_id, number = found.place
        return Parent(
            reference=reference,
            how=how,
            digest=found.digest,
            name=found.name,
            version=found.version,
            run=run_id,
            number=number,
        )

    def _own_catalog(self) -> Catalog:
        if self._kept_catalog is None:
            self._kept_catalog = Catalog(self._folder, summarise=functools.partial(catalog_row, self._folder))
        return self._kept_catalog


def _numbered(named: Iterable[Named]) -> list[Version]:
    """Give versions their numbers; those of earlier records have none, and are counted by time."""
    counts: dict[str, int] = {}
    found = []
    for each in named:
        number = each.body.get("version")
        if number is None:
            number = counts[each.name] = counts.get(each.name, 0) + 1
        found.append(Version(version=number, named=each))
    return found


def _check_reference(reference: Any) -> None:
    if not isinstance(reference, str):
        raise InputError(
            f"wanted a reference, got {type(reference).__name__}",
            remedy='Write "digits@champion", for example.',
        )


def _several(kind: Kind, reference: str, found: list[Version]) -> NotFoundError:
    names = [f"{each.name}@{digest_text(each.digest)} of run {each.named.run_id}" for each in found]
    return NotFoundError(
        f"{reference:.80} names {len(found)} {kind}s, which were logged in different workspaces",
        remedy=f"Give the digest, or RUN/{found[0].name}: {'; '.join(names[:_NAMED_IN_ERRORS])}.",
    )


def _spans(numbers: list[int]) -> str:
    """Say which numbers there are: `1 to 3 and 5`."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    words = [str(low) if low == high else f"{low} to {high}" for low, high in spans[:_NAMED_IN_ERRORS]]
    more = f" and {len(spans) - _NAMED_IN_ERRORS} more" if len(spans) > _NAMED_IN_ERRORS else ""
    return " and ".join(words) + more


def _as_digest(digits: str) -> bytes | None:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return None
