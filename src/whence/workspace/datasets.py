"""Dataset versions as users hold them: what is in them, where their rows came from, and them as streams."""

from __future__ import annotations

import functools
from typing import Any

from whence import datasets, sources  # what reads versions on first use: it needs pyarrow
from whence.capture import current_recorder
from whence.errors import PositionError
from whence.query import Delivered, Trace
from whence.streams import Stream, from_source
from whence.workspace.kept import KeptContent
from whence.workspace.versioned import Versioned


class Dataset(Versioned):
    """A version of a dataset, which never changes."""

    def __len__(self) -> int:
        return self.rows

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self._body["rows"])

    @property
    def message(self) -> str:
        """What was said when it was saved; empty where nothing was."""
        return str(self._body["message"])

    @property
    def columns(self) -> dict[str, str]:
        """The types of its columns by name."""
        return {name: str(said["type"]) for name, said in self.profile.items()}

    @property
    def profile(self) -> dict[str, dict[str, Any]]:
        """What is known of each column: missing and distinct values, range, mean, histogram."""
        found: dict[str, dict[str, Any]] = self._body["profile"]
        return found

    @property
    def chunk_count(self) -> int:
        """In how many chunks its rows are kept."""
        return len(self._body["chunks"])

    def stream(self) -> Stream:
        """Begin a stream with its rows, dicts."""
        return from_source(self._source)

    def compared(self) -> datasets.Rows:
        """Give its rows as they are compared with those of another version."""
        source = self._source
        parts = [(rows, content) for rows, content, _, _ in self._body["chunks"]]
        return datasets.Rows(self.reference, parts, source.schema, source.table)

    @property
    def delivered(self) -> Delivered:
        """The pass that delivered its rows, in order."""
        return Delivered(self.run.record, self.run.passes[self._body["pass"]])

    def trace(self, row: int) -> Trace:
        """Whence: find the source rows and the operations behind one of its rows.

        Raises:
            PositionError: it has no such row.
        """
        if not 0 <= row < self.rows:
            raise PositionError(f"row {row} of {self.reference}, which has {self.rows} rows")
        view = self.delivered.view
        return self.run.trace(
            view.epoch, item=row, stream=self.run.streams[view.stream].name, repeat=view.repeat
        )

    @property
    def _source(self) -> sources.DatasetSource:
        return sources.DatasetSource(
            self._folder,
            name=self.reference,
            digest=self._body["digest"],
            schema=sources.schema_of(self._body["schema"]),
            parts=[sources.TablePart(rows, digest) for rows, _, digest, _ in self._body["chunks"]],
        )

    @functools.cached_property
    def _content(self) -> KeptContent:
        files = [
            [f"part-{number:05}.parquet", size, digest, "parquet", False]
            for number, (_, _, digest, size) in enumerate(self._body["chunks"])
        ]
        return KeptContent(self._folder, self._named.run_id, {"digest": self._body["digest"], "files": files})

    def _note(self) -> None:
        run_id, number = self._version.place
        what = {"name": self.name, "digest": self._body["digest"], "run": run_id, "number": number}
        current_recorder().used("dataset_used", what)
