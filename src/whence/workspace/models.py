"""Models as users hold them: what was decided of them, what they saw, what they were made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whence.errors import WhenceError
from whence.query import Impact, PassSeen, Seen, SourceSeen, seen_before
from whence.runs import Parent, RunRecord
from whence.vocab import digest_text
from whence.workspace.kept import note_used
from whence.workspace.run import Run
from whence.workspace.versioned import Versioned


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A model that another was made from.

    Args:
        reference: as it was given.
        how: the other was made from it: "fine-tuned", "distilled", "derived"; "loaded" where a run read it.
        model: the model; None where it isn't known here.
        digest: of its content; None where that was never known.
    """

    reference: str
    how: str
    model: Model | None
    digest: str | None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        known = None if self.model is None else self.model.reference
        return {"reference": self.reference, "how": self.how, "model": known, "digest": self.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Descendant:
    """A model that was made from another, at once or through others.

    Args:
        model: the model.
        how: it was made from `through`.
        through: the model that it was made from at once.
    """

    model: Model
    how: str
    through: Model

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"model": self.model.reference, "how": self.how, "through": self.through.reference}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBy:
    """What one model saw of data itself.

    Args:
        model: as it is called.
        how: the one that was asked about came of it; empty for that one itself.
        passes: as far as they had come when it was logged.
        sources: what these read.
    """

    model: str
    how: str
    passes: list[PassSeen]
    sources: list[SourceSeen]

    @property
    def samples(self) -> int:
        """How many samples it was given, each as often as it was."""
        return sum(each.samples or 0 for each in self.passes)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "model": self.model,
            "how": self.how,
            "samples": self.samples,
            "passes": [each.to_json() for each in self.passes],
            "sources": [each.to_json() for each in self.sources],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTrace:
    """Where a model came from.

    Args:
        model: as it is called.
        digest: of its content.
        run: the name of the run that logged it.
        parents: the models that it was made from at once.
        seen: what it saw itself, and then what each model saw that it came of, each once.
        gaps: what isn't known, in words.
    """

    model: str
    digest: str
    run: str
    parents: list[Ancestor]
    seen: list[SeenBy]
    gaps: list[str]

    @property
    def complete(self) -> bool:
        """Whether all that it saw, itself and by way of others, is known."""
        return not self.gaps

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "model": self.model,
            "digest": self.digest,
            "run": self.run,
            "parents": [each.to_json() for each in self.parents],
            "seen": [each.to_json() for each in self.seen],
            "gaps": self.gaps,
            "complete": self.complete,
        }


class Model(Versioned):
    """A version of a model."""

    @property
    def signature(self) -> dict[str, list[dict[str, Any]]] | None:
        """What it takes and gives; None where nobody said."""
        return self._body.get("signature")

    @property
    def moment(self) -> tuple[int, dict[int, int]]:
        """When it was logged: the number of the event, and how far the passes had come that hadn't ended."""
        return self._named.number, dict(self._body.get("seen", ()))

    # what it was made from, and what was made from it

    @property
    def parents(self) -> list[Ancestor]:
        """The models that it was made from: those that were named, and those that its run had loaded."""
        return [self._ancestor(each) for each in self._body.get("parents", [])]

    @property
    def children(self) -> list[Model]:
        """The models that were made from it at once."""
        return [each.model for each in self._made_from()]

    @property
    def descendants(self) -> list[Descendant]:
        """The models that were made from it, at once or through others, each once."""
        found: list[Descendant] = []
        seen = {self}
        todo = [self]
        while todo:
            for each in todo.pop(0)._made_from():
                if each.model not in seen:
                    seen.add(each.model)
                    found.append(each)
                    todo.append(each.model)
        return found

    @property
    def used_by(self) -> list[Run]:
        """The runs that loaded it, to evaluate it for example; the earliest first."""
        readers = sorted(self._shelf.readers(self._body["digest"]))
        return [Run(self._folder, record=RunRecord.read(self._folder, run_id)) for run_id in readers]

    def _ancestor(self, parent: Parent) -> Ancestor:
        digest = parent["digest"]
        found = [] if digest is None else self._shelf.of_digest(digest)
        meant = [each for each in found if each.place == (parent["run"], parent["number"])] or found[:1]
        return Ancestor(
            reference=parent["reference"],
            how=parent["how"],
            model=Model(self._folder, meant[0], self._shelf) if meant else None,
            digest=None if digest is None else digest_text(digest),
        )

    def trace(self) -> ModelTrace:
        """Whence: find the sources and passes that it saw, and those that its parents saw."""
        return _trace(self)

    def _made_from(self) -> list[Descendant]:
        """Find the models that were made from its content at once, each with how."""
        digest = self._body["digest"]
        children = (Model(self._folder, each, self._shelf) for each in self._shelf.children(digest))
        return [
            Descendant(model=child, how=child._how_from(digest), through=self)
            for child in children
            if child != self
        ]

    def _how_from(self, digest: bytes) -> str:
        return next(str(each["how"]) for each in self._body["parents"] if each["digest"] == digest)

    def _note(self) -> None:
        run_id, number = self._version.place
        note_used(
            "model_used",
            Parent(
                reference=self.reference,
                how="loaded",
                digest=self._body["digest"],
                name=self.name,
                version=self.version,
                run=run_id,
                number=number,
            ),
        )


def with_versions(impact: Impact, models: Sequence[Model]) -> Impact:
    """Name the versions that saw the rows asked about, and those that were made from them elsewhere.

    Args:
        impact: what became of the rows, by runs.
        models: all versions.
    """
    touched = set(impact.touched)
    direct = [model for model in models if model.run_id in touched]
    found: dict[Model, Descendant] = {}
    for model in direct:
        for each in model.descendants:
            if each.model.run_id not in touched:
                found.setdefault(each.model, each)
    return dataclasses.replace(
        impact,
        versions=[model.reference for model in direct],
        indirect=[each.to_json() for each in found.values()],
    )


def _trace(model: Model) -> ModelTrace:
    """Find the sources and passes that a model saw, and those that came to it through its parents."""
    parents = model.parents
    gaps: list[str] = []
    found: list[SeenBy] = []
    done = {model}
    todo: list[tuple[Model, str, list[Ancestor]]] = [(model, "", parents)]
    while todo:
        each, how, its_parents = todo.pop(0)
        own = _seen(each)
        found.append(SeenBy(model=each.reference, how=how, passes=own.passes, sources=own.sources))
        gaps += own.gaps
        for parent in its_parents:
            if parent.model is None:
                known = f" ({parent.digest})" if parent.digest else ""
                gaps.append(
                    f"{each.reference} was {parent.how} from {parent.reference}{known}, which isn't here"
                )
            elif parent.model not in done:
                done.add(parent.model)
                todo.append((parent.model, parent.how, parent.model.parents))
    if not any(each.passes for each in found):
        gaps.append("no stream was read in its run before it was logged")
    return ModelTrace(
        model=model.reference,
        digest=model.digest,
        run=found[0].passes[0].run if found[0].passes else model.run.name,
        parents=parents,
        seen=found,
        gaps=list(dict.fromkeys(gaps)),
    )


def _seen(model: Model) -> Seen:
    try:
        return seen_before(model.run.record, *model.moment)
    except WhenceError as error:
        return Seen(passes=[], sources=[], gaps=[f"{model.reference}: {error.message}"])
