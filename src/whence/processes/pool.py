"""Several processes that do the same: begun together, spoken to one by one, ended together."""

from __future__ import annotations

import contextlib
import os
from multiprocessing import connection
from typing import Any

from whence.errors import WorkerError
from whence.processes.starting import Process, Run, Start


class GoneError(Exception):
    """A worker isn't there any more.

    Args:
        worker: its number.
        how: what became of it, as the end of a sentence.
    """

    def __init__(self, worker: int, how: str) -> None:
        super().__init__(how)
        self.worker = worker
        self.how = how


class Pool:
    """Processes that are there from here until `close`.

    Args:
        run: what each of them does, given its number and its end of a channel.
        count: how many.
        start: how they begin.

    Raises:
        WorkerError: the system gives no more processes.
        UnshippableError: `run` can't be sent.
    """

    def __init__(self, run: Run, count: int, *, start: Start) -> None:
        self._pid = os.getpid()
        self._processes: list[Process] = []
        try:
            for _ in range(count):
                self._processes.append(Process(run, start=start))
        except OSError as error:
            self.close()
            raise WorkerError(
                f"worker {len(self._processes)} can't be started: {error.strerror or error}",
                remedy="Use fewer workers, or raise the bounds on processes and open files.",
            ) from error
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._processes)

    def send(self, worker: int, head: tuple[Any, ...], body: Any = None) -> None:
        """Send a message to one of them.

        Raises:
            GoneError: it isn't there any more.
            UnshippableError: the body can't be pickled.
        """
        try:
            self._processes[worker].channel.send(head, body)
        except OSError as error:
            raise self._gone(worker) from error

    def receive(self, *, wait: bool) -> list[tuple[int, tuple[Any, ...], Any]]:
        """Take what they have sent: the worker, the head and the body of each message.

        Args:
            wait: whether to wait until there is something.

        Raises:
            GoneError: one of them isn't there any more.
        """
        numbers = {process.channel: number for number, process in enumerate(self._processes)}
        ready = connection.wait(list(numbers), None if wait else 0)  # type: ignore[arg-type]  # has a fileno
        received = []
        for channel in ready:
            number = numbers[channel]  # type: ignore[index]
            try:
                while True:
                    received.append((number, *self._processes[number].channel.receive()))
                    if not self._processes[number].channel.poll():
                        break
            except (EOFError, OSError) as error:
                if received:
                    return received  # first what was said; the next call finds the line broken again
                raise self._gone(number) from error
        return received

    def close(self) -> None:
        """End all of them at once; a second call does nothing."""
        if self._pid != os.getpid():
            return  # a copy of the process that they belong to
        for process in self._processes:
            with contextlib.suppress(OSError):
                process.end()

    def _gone(self, worker: int) -> GoneError:
        return GoneError(worker, self._processes[worker].how_it_ended())
