"""A run as users hold it: written while it goes on, and asked questions at any time."""

from __future__ import annotations

import contextlib
import mimetypes
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal

from whence.errors import InputError
from whence.runs import LiveRun, RunRecord, as_json, as_parents, as_png
from whence.store import Folder
from whence.streams import Readable
from whence.vocab import digest_text
from whence.workspace.recorded import RecordedRun
from whence.workspace.saving import Saved, save_in
from whence.workspace.shelf import Shelf


class Run(RecordedRun):
    """A run: written while it goes on, and asked questions at any time.

    Args:
        folder: the workspace.
        live: the writing side, for a run that this process began.
        record: what was read of it, for any other.
    """

    def __init__(
        self, folder: Folder, *, live: LiveRun | None = None, record: RunRecord | None = None
    ) -> None:
        super().__init__(record)
        self._folder = folder
        self._live = live

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish("failed" if error is not None else "finished", error)

    def log_param(self, key: str, value: Any) -> None:
        """Record a parameter."""
        self._writing.log_params({key: value})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters."""
        self._writing.log_params(params)

    def log_metric(self, key: str, value: Any, step: int | None = None) -> None:
        """Record a metric; the step is the number of batches delivered so far unless it is given."""
        self._writing.log_metric(key, value, step)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record metrics of one step."""
        self._writing.log_metrics(metrics, step)

    def set_tag(self, key: str, value: Any) -> None:
        """Record a tag."""
        self._writing.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Record tags."""
        self._writing.set_tags(tags)

    def log_fit(self, facts: Mapping[str, Any], *, number: int | None = None) -> int:
        """Record a training: what is trained on what, in any words; returns its number in the run.

        Args:
            facts: names and values.
            number: of the training of which they say more; None begins one.
        """
        return self._writing.log_fit(facts, number)

    def log_note(self, text: str) -> None:
        """Record a note."""
        self._writing.log_note(text)

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> str:
        """Keep a file or a folder; returns its digest.

        Large files are read in blocks, and are on the disk when this returns.

        Raises:
            SourceError: it can't be read, or changed while it was.
        """
        named = name or pathlib.Path(path).name
        kind = mimetypes.guess_type(named)[0] or "application/octet-stream"
        return digest_text(self._writing.log_artifact(path, name=named, media_type=kind))

    def log_dict(self, content: Any, name: str) -> str:
        """Keep a value as JSON; returns its digest."""
        kept = self._writing.log_artifact(as_json(content), name=name, media_type="application/json")
        return digest_text(kept)

    def log_text(self, text: str, name: str) -> str:
        """Keep a text; returns its digest."""
        content = text.encode("utf-8", "surrogatepass")
        return digest_text(self._writing.log_artifact(content, name=name, media_type="text/plain"))

    def log_figure(self, figure: Any, name: str) -> str:
        """Keep a figure as PNG; returns its digest."""
        return digest_text(self._writing.log_artifact(as_png(figure), name=name, media_type="image/png"))

    def log_model(
        self,
        name: str,
        content: bytes | str | os.PathLike[str],
        *,
        metadata: Mapping[str, Any] | None = None,
        format: str | None = None,
        signature: Mapping[str, Any] | None = None,
        parents: Mapping[str, str] | Sequence[str] | str | None = None,
    ) -> str:
        """Keep a model as the next version of its name; returns its digest.

        Args:
            name: the model's, without / @ # :
            content: its bytes, or the path of a file or a folder; large files are read in blocks.
            metadata: names and values.
            format: as which it can be loaded; found by the content where it isn't given.
            signature: `{"inputs": [...], "outputs": [...]}`, each {"name", "dtype", "shape"}.
            parents: the models that it was made from, each with how: `{"digits@champion": "fine-tuned"}`, or
                references alone. What isn't known here is recorded as given, and as unknown. Models that
                were loaded in this run are its parents without being named.

        Raises:
            PlanError, InputError: the name, the metadata or the signature isn't of the form wanted.
            SourceError: the content can't be read, or changed while it was.
        """
        with contextlib.closing(Shelf(self._folder)) as shelf:
            digest = self._writing.log_model(
                content,
                name=name,
                metadata=metadata or {},
                named_format=format,
                signature=signature,
                parents=shelf.parents(as_parents(parents)),
                next_version=shelf.next_version,
            )
        return digest_text(digest)

    def save(self, stream: Readable, name: str, *, message: str = "", workers: int | None = None) -> Saved:
        """Keep epoch 0 of a stream as the next version of a dataset, in this run; see `Stream.save`."""
        return save_in(self._writing, self._folder, stream, name, message=message, workers=workers)

    def before_end(self, tell: Callable[[BaseException | None], object]) -> None:
        """Have a function called when the run ends here, while more can be logged.

        Args:
            tell: is given the error that ends it, else None; must not raise.
        """
        self._writing.before_end(tell)

    def sync(self) -> None:
        """Force everything logged so far to the disk."""
        self._writing.sync()

    def finish(
        self, status: Literal["finished", "failed"] = "finished", error: BaseException | None = None
    ) -> None:
        """End the run; a second call does nothing."""
        if status not in ("finished", "failed"):
            raise InputError(
                f"finish({status!r:.40}): wanted 'finished' or 'failed'", remedy="Use one of them."
            )
        self._writing.finish(status, error)
        self._read = None

    @property
    def is_open(self) -> bool:
        """Whether it can be written here: this process began it, and it hasn't ended."""
        return self._live is not None and self._live.is_open

    @property
    def param_names(self) -> set[str]:
        """The names of the parameters that this process has recorded in it so far."""
        return set() if self._live is None else set(self._live.param_names)

    @property
    def id(self) -> str:
        """Its id, a ULID."""
        return self._live.id if self._live is not None else super().id

    @property
    def name(self) -> str:
        """Its friendly name."""
        return self._live.name if self._live is not None else super().name

    @property
    def _writing(self) -> LiveRun:
        if self._live is None:
            raise InputError(
                f"run {self.name} was written by another process", remedy="Start a new run to log more."
            )
        self._read = None
        return self._live

    @property
    def _record(self) -> RunRecord:
        if self._read is None or (self._live is not None and self._live.is_open):
            self._read = RunRecord.read(self._folder, self.id)
        return self._read
