"""Comparing what a workspace holds, two by two: runs, dataset versions, splits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import overload

from whence.errors import InputError, NotFoundError
from whence.query import RunDiff, diff_runs
from whence.workspace.datasets import Dataset
from whence.workspace.differing import DatasetDiff
from whence.workspace.keeping import Keeping
from whence.workspace.leaking import Leaks, find_leaks
from whence.workspace.run import Run

Named = str | Run | Dataset


class Comparing(Keeping):
    """What can be compared in a workspace; see `Workspace`."""

    @abstractmethod
    def run(self, name: str | None = None) -> Run:
        """Open a run."""

    @abstractmethod
    def dataset(self, reference: str) -> Dataset:
        """Open a dataset version."""

    @abstractmethod
    def datasets(self, name: str | None = None) -> list[Dataset]:
        """List dataset versions."""

    @overload
    def diff(self, before: Run, after: Run | str | None = None) -> RunDiff: ...
    @overload
    def diff(
        self, before: Dataset, after: Dataset | str | None = None, *, key: str | Sequence[str] | None = None
    ) -> DatasetDiff: ...
    @overload
    def diff(
        self, before: str, after: Named | None = None, *, key: str | Sequence[str] | None = None
    ) -> RunDiff | DatasetDiff: ...

    def diff(
        self, before: Named, after: Named | None = None, *, key: str | Sequence[str] | None = None
    ) -> RunDiff | DatasetDiff:
        """Compare two runs, or two dataset versions.

        Of runs: parameters, operations with their code, what was read, packages, metrics. Of versions:
        columns, and rows that were added, removed, changed or moved, with why.

        Args:
            before: a run or a dataset version, or what names it; a name that is a run's is a run.
            after: another of the same kind; the newest one by default. The name of a dataset alone means its
                two newest versions.
            key: of dataset versions: the columns whose values say which row is which. Without one, rows are
                told by their place and by what they say.

        Raises:
            NotFoundError: there is none of that name.
            InputError: a key that isn't one, or was given for runs.
        """
        first = self._named(before)
        if isinstance(first, Dataset):
            if after is None and before == first.name:
                first = self.datasets(first.name)[-2:][0]
            other = first.name if after is None else after
            second = other if isinstance(other, Dataset) else self.dataset(_reference(other))
            columns = [key] if isinstance(key, str) else list(key or ())
            return DatasetDiff(first, second, key=columns, open_version=self.dataset)
        if key is not None:
            raise InputError(f"key={key!r:.60}: runs have no rows", remedy="Name two dataset versions.")
        if isinstance(after, Dataset):
            raise InputError(
                f"run {first.name} and {after.reference} are of two kinds", remedy="Name two of one kind."
            )
        return diff_runs(first.record, (after if isinstance(after, Run) else self.run(after)).record)

    def leaks(
        self, before: str | Dataset, after: str | Dataset, *, by: str | Sequence[str] | None = None
    ) -> Leaks:
        """Find rows of one dataset version that come from the same source rows as another's, or say the same.

        Args:
            before: a version, a split for training for example.
            after: another.
            by: columns whose values belong together, as those of one patient: none may be in both.

        Raises:
            NotFoundError: there is no such version.
            InputError: one of them has no such column.
        """
        first, second = (
            each if isinstance(each, Dataset) else self.dataset(each) for each in (before, after)
        )
        columns = [by] if isinstance(by, str) else list(by or ())
        return find_leaks(first, second, columns, self.dataset)

    def _named(self, what: Named) -> Run | Dataset:
        if not isinstance(what, str):
            return what
        if "@" in what:
            return self.dataset(what)
        try:
            return self.run(what)
        except NotFoundError as missing:
            try:
                return self.dataset(what)
            except NotFoundError:
                raise missing from None


def _reference(what: str | Run) -> str:
    if isinstance(what, Run):
        raise InputError(f"run {what.name} is no dataset version", remedy="Name two of one kind.")
    return what
