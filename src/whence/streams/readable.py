"""What a stream gives: its samples one by one, a table, a file; each with as many processes as wanted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from whence.ops import Op, check_count
from whence.streams.plan import Program
from whence.streams.reading import Epoch, StreamIterator, count_outputs, deliver_chunks
from whence.streams.state import PlanFacts
from whence.streams.workers import Workers

if TYPE_CHECKING:
    import os

    import pandas as pd
    import pyarrow as pa

    from whence.streams.dataset import StreamDataset


class Readable(ABC):
    """What can be read, with or without workers; `workers=None` means as many as the stream was given."""

    __slots__ = ()

    _workers: Workers

    def epoch(self, k: int, *, workers: int | None = None) -> Epoch:
        """Read pass number `k`: with its own augmentation and its own order."""
        return Epoch(self._compiled(), check_count(k, "epoch(k)"), self._helped(workers, "epoch"))

    def resume(
        self,
        state: Mapping[str, Any],
        *,
        workers: int | None = None,
        data: Literal["checked", "trusted"] = "checked",
    ) -> Epoch:
        """Go on with a pass exactly where it stood when its iterator gave `state()`.

        Args:
            state: what it gave, or what JSON made of that.
            workers: the processes that it is read with; they needn't be as many as then.
            data: "trusted" where large files were written anew, as copies are, and hold what they held.

        Raises:
            StateError: the state is of a stream of other operations, code or data; says what differs.

        Cost: that of a chunk, where samples come from a source that can be read at any position, shuffled or
            not, through operations that treat each by itself; else what came before is made again.
        """
        epoch, start = PlanFacts(self._compiled()).start_from(state, data=data)
        return Epoch(self._compiled(), epoch, self._helped(workers, "resume"), start)

    def __iter__(self) -> StreamIterator:
        return iter(self.epoch(0))

    def __len__(self) -> int:
        return len(self.epoch(0))

    def __bool__(self) -> bool:
        return True

    def collect(self, *, workers: int | None = None) -> list[Any]:
        """Read epoch 0 into a list."""
        return list(self.epoch(0, workers=workers))

    def run(self, *, workers: int | None = None) -> int:
        """Read epoch 0 through as a job whose samples nobody wants to see; returns how many there were.

        In a run it is a pass like any other. On a terminal it shows how far it is.
        """
        from whence.streams.progress import shown  # noqa: PLC0415 - rich is loaded on first use

        helped = self._helped(workers, "run")
        program = self._compiled()
        with closing(deliver_chunks(program, 0, helped, "count")) as chunks:
            return sum(map(len, shown(chunks, program)))

    def count(self) -> int:
        """Read epoch 0 and count its samples; nothing is delivered to anyone, so a run has no pass of it."""
        return count_outputs(self._compiled(), self._workers)

    def to_arrow(self, *, workers: int | None = None) -> pa.Table:
        """Read epoch 0 into an Arrow table; samples must be dicts. Needs `whence[arrow]`."""
        from whence.streams.tables import read_arrow  # noqa: PLC0415 - pyarrow is loaded on first use

        return read_arrow(deliver_chunks(self._compiled(), 0, self._helped(workers, "to_arrow")))

    def to_pandas(self, *, workers: int | None = None) -> pd.DataFrame:
        """Read epoch 0 into a pandas data frame; samples must be dicts. Needs `whence[pandas]`."""
        from whence.streams.tables import read_pandas  # noqa: PLC0415 - pandas is loaded on first use

        return read_pandas(deliver_chunks(self._compiled(), 0, self._helped(workers, "to_pandas")))

    def to_parquet(self, path: str | os.PathLike[str], *, workers: int | None = None) -> int:
        """Write epoch 0 to a Parquet file in constant memory; returns the rows. Needs `whence[parquet]`."""
        from whence.streams.tables import write_parquet  # noqa: PLC0415 - pyarrow is loaded on first use

        return write_parquet(deliver_chunks(self._compiled(), 0, self._helped(workers, "to_parquet")), path)

    def to_torch(self, *, workers: int | None = None, epoch: int = 0) -> StreamDataset:
        """Read it as a dataset of PyTorch, epoch after epoch, arrays as tensors. Needs `whence[torch]`.

        A `DataLoader` takes it with any `num_workers`; a run records the batches that the loop receives.

        Args:
            workers: the processes that it is read with where the loader has `num_workers=0`.
            epoch: the one that the first iteration gives.
        """
        from whence.streams.dataset import as_dataset  # noqa: PLC0415 - torch is loaded on first use

        return as_dataset(self, workers=self._helped(workers, "to_torch"), epoch=epoch)

    def save(self, name: str, *, message: str = "", workers: int | None = None) -> Any:
        """Keep epoch 0 as the next version of a dataset; samples must be dicts. Needs `whence[parquet]`.

        In a run the version is that run's; outside one, a run of its own is begun for it. The same rows as in
        the newest version are no new version, and chunks of rows that are there aren't written again.

        Args:
            name: the dataset's, without / @ # :
            message: what is to be said of this version.
            workers: the processes that it is read with.

        Returns:
            A `Saved`: reference (`digits-clean@3`), digest, rows, whether it is new, bytes written.

        Raises:
            PlanError: the name isn't one.
            OpError: the samples aren't dicts with the same fields of the same types; says from which on.
            StoreError: it couldn't be written; then there is no new version.
        """
        workspace = import_module("whence.workspace")  # a room above: it knows where things are kept
        return workspace.save_stream(self, name, message=message, workers=workers)

    @abstractmethod
    def shard(self, index: int, count: int) -> Readable:
        """Keep every `count`-th sample beginning with number `index`."""

    @abstractmethod
    def pipe(self, op: Op) -> Readable:
        """Chain any operation."""

    @abstractmethod
    def _compiled(self) -> Program:
        """The program that it stands for."""

    def _helped(self, workers: int | None, where: str) -> Workers:
        own = self._workers
        return own if workers is None else Workers.of(workers, own.start, f"{where}(workers=...)")


def tables_of(stream: Readable, *, workers: int | None = None) -> Iterator[pa.Table]:
    """Read epoch 0 of a stream as Arrow tables of some thousand rows; samples must be dicts."""
    from whence.streams.tables import as_tables  # noqa: PLC0415 - pyarrow is loaded on first use

    return as_tables(deliver_chunks(stream._compiled(), 0, stream._helped(workers, "save")))
