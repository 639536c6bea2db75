"""What may differ between two runs, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

How = Literal["changed", "added", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value that isn't the same in both.

    Args:
        name: what it is called; nested names are joined by dots.
        how: added: only the second run has it; removed: only the first.
        before: the value in the first run, None where it has none.
        after: the value in the second run.
    """

    name: str
    how: How
    before: Any
    after: Any

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "how": self.how, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeChange:
    """A function of an operation that isn't the same in both.

    Args:
        function: what it is to the operation: `fn`, `key`, `combine`, ...
        name: what it is called in the second run.
        diff: the differences of all source text behind it, as a unified diff; empty where no text differs.
        constants: values that the code reads, and default values.
        packages: versions of packages that the code calls.
        unknown: what isn't known of the code in either run: there may be more differences.
    """

    function: str
    name: str
    diff: str = ""
    constants: list[Change] = field(default_factory=list)
    packages: list[Change] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "function": self.function,
            "name": self.name,
            "diff": self.diff,
            "constants": [change.to_json() for change in self.constants],
            "packages": [change.to_json() for change in self.packages],
            "unknown": self.unknown,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOfCodeChange:
    """A file of the program's own code that isn't the same text in both.

    Args:
        path: where it was in the second run, or in the first if only that has it.
        how: changed, added or removed.
        diff: the differences, as a unified diff.
    """

    path: str
    how: How
    diff: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"path": self.path, "how": self.how, "diff": self.diff}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpChange:
    """An operation of a stream that isn't the same in both.

    Args:
        stream: the stream's name.
        op: the operation's label, in the second run if it is there.
        kind: map, filter, ...
        how: changed, added or removed.
        before: the label in the first run, where it was another.
        params: its parameters; also "key", where its random draws differ with parameters that are the same.
        code: its functions.
    """

    stream: str
    op: str
    kind: str
    how: How
    before: str | None = None
    params: list[Change] = field(default_factory=list)
    code: list[CodeChange] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "stream": self.stream,
            "op": self.op,
            "kind": self.kind,
            "how": self.how,
            "before": self.before,
            "params": [change.to_json() for change in self.params],
            "code": [change.to_json() for change in self.code],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """A source whose content isn't the same in both, or that only one of them read.

    Args:
        source: its name.
        how: changed, added or removed.
        parts: its files that differ; none where only the whole can be compared.
        count: how many files differ, also where not all of them are named.
    """

    source: str
    how: How
    parts: list[Change] = field(default_factory=list)
    count: int = 0

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        parts = [part.to_json() for part in self.parts]
        return {"source": self.source, "how": self.how, "parts": parts, "count": self.count}


@dataclass(frozen=True, slots=True, kw_only=True)
class DropChange:
    """An operation that didn't drop as many samples in both runs: what came of it, not a cause.

    Args:
        stream: the stream's name.
        op: the operation's label.
        reason: why it drops.
        before: how many over all passes of the first run; None where it can't be told, or has no such op.
        after: the same of the second.
    """

    stream: str
    op: str
    reason: str
    before: int | None
    after: int | None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "stream": self.stream, "op": self.op, "reason": self.reason, "before": self.before,
            "after": self.after,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDiff:
    """What differs between two runs.

    Args:
        before: the first run's name.
        after: the second run's.
        params: parameters of the runs.
        ops: operations of their streams.
        code: files of their own code. Where a run has streams, what counts of it stands in their operations.
        sources: what their streams read.
        files: what they read beside their streams, by path: the digests.
        environment: packages, Python, platform, Git.
        drops: how many samples operations dropped. That is what came of it, and not counted as a cause.
        metrics: last values of metrics; the same.
        unknown: what can't be compared, in words.
        is_code_known: whether streams say what of the code counts.
    """

    before: str
    after: str
    params: list[Change]
    ops: list[OpChange]
    code: list[FileOfCodeChange]
    sources: list[SourceChange]
    files: list[Change]
    environment: list[Change]
    drops: list[DropChange]
    metrics: list[Change]
    unknown: list[str]
    is_code_known: bool = True

    @property
    def same(self) -> bool:
        """Whether no cause differs, and all could be compared."""
        causes = [self.params, self.ops, self.sources, self.files, self.environment, self.unknown]
        return not any(causes) and (self.is_code_known or not self.code)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "same": self.same,
            "params": [change.to_json() for change in self.params],
            "ops": [change.to_json() for change in self.ops],
            "code": [change.to_json() for change in self.code],
            "sources": [change.to_json() for change in self.sources],
            "files": [change.to_json() for change in self.files],
            "environment": [change.to_json() for change in self.environment],
            "drops": [change.to_json() for change in self.drops],
            "metrics": [change.to_json() for change in self.metrics],
            "unknown": self.unknown,
        }
