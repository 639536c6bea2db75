"""Beginning and ending a process: as a copy of this one, or as a new interpreter.

A *fork* begins with everything that this process has: modules as they are now with what was changed in them,
data in memory at no cost, the same hash seed; so its functions do what they do here. It takes 10 ms where a
new interpreter takes 300, and nothing has to be picklable to get there. What it can't copy are other
threads, so a lock that one of them holds stays shut in the copy; whoever runs into that starts anew.
A *spawn*ed process has none of this trouble, and none of these goods: all it needs is sent to it by value.
It is told what to run and imports nothing of the program's own `__main__`, which therefore needs no guard.

A process that is begun here ends with the one that began it, however that ends: a thread of it reads from a
pipe, the life line, whose other end only the first process holds, and which breaks with it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Literal, cast, get_args

from whence.errors import PlanError
from whence.processes.channel import Channel, dumped_by_value

Start = Literal["fork", "spawn"]
Run = Callable[[Channel], None]

# On macOS the system's own libraries don't survive a fork.
USUAL: Start = "fork" if sys.platform == "linux" else "spawn"

_BOOT = (
    "import json, sys; told = json.loads(sys.argv[1]); "
    "sys.path[:] = told['path']; sys.argv[:] = told['argv']; "
    "from whence.processes.starting import begin_spawned; begin_spawned(told['pipe'], told['life'])"
)


def as_start(start: str | None) -> Start:
    """Take a word for a way to start; None for the usual one.

    Raises:
        PlanError: another word.
    """
    if start is None:
        return USUAL
    if start not in get_args(Start):
        raise PlanError(
            f"start={start!r:.40}: wanted {' or '.join(map(repr, get_args(Start)))}",
            remedy='Leave it out, or write start="spawn" where copies of this process get stuck.',
        )
    return cast("Start", start)


class _LifeLine:
    """The pipe by which processes know that the one which began them is there."""

    def __init__(self) -> None:
        self.pid = 0
        self.read = self.write = -1

    def drawn(self) -> int:
        """The end to read from, made anew in a process that is itself a copy."""
        if self.pid != os.getpid():
            self.read, self.write = os.pipe()
            self.pid = os.getpid()
        return self.read


_life_line = _LifeLine()
_open_ends: set[Connection] = set()


class Process:
    """A process that was begun here.

    Args:
        run: what it does; given its end of a channel. Sent to it by value if it is spawned.
        start: how it begins.
    """

    def __init__(self, run: Run, *, start: Start) -> None:
        ours, theirs = Pipe()
        self._end = ours
        _open_ends.add(ours)
        try:
            if start == "fork":
                self.pid = _fork(run, theirs)
                self.channel = Channel(ours, by_value=False)
            else:
                data = dumped_by_value(run)
                self.pid = _spawn(theirs)
                self.channel = Channel(ours, by_value=True)
                self.channel.send(("run",), data)
        except BaseException:
            _open_ends.discard(ours)
            ours.close()
            raise
        finally:
            theirs.close()
        self._status: int | None = None

    def end(self) -> None:
        """Kill it, and wait until it is gone; a second call does nothing."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._reap()
        _open_ends.discard(self._end)
        self.channel.close()

    def how_it_ended(self) -> str:
        """Say how it ended, once its channel has broken."""
        status = self._reap()
        if status < 0:
            return "ended"
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            name = signal.Signals(number).name if number in set(signal.Signals) else "unknown"
            return f"was killed by signal {number} ({name})"
        return f"ended itself with exit code {os.WEXITSTATUS(status)}"

    def _reap(self) -> int:
        if self._status is None:
            try:
                self._status = os.waitpid(self.pid, 0)[1]
            except ChildProcessError:  # somebody else waited for all children
                self._status = -1
        return self._status


def _fork(run: Run, end: Connection) -> int:
    life = _life_line.drawn()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed, or somebody's own
            stream.flush()  # or the copy would print it again
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads; the module's docstring says why
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.close(_life_line.write)
        for each in _open_ends:
            each.close()
        _open_ends.clear()
        gc.freeze()  # what was there before is neither looked through nor thereby copied
        _settle(life)
        _reseed()
        run(Channel(end, by_value=False))
        code = 0
    except (EOFError, BrokenPipeError, ConnectionResetError):
        code = 0  # the first process went away
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # nothing of the first process is ours to close


def _spawn(end: Connection) -> int:
    life = _life_line.drawn()
    told = {"path": sys.path, "argv": sys.argv, "pipe": end.fileno(), "life": life}
    flags = [f"-W{option}" for option in sys.warnoptions]
    flags += ["-O"] * sys.flags.optimize + ["-X", "dev"] * sys.flags.dev_mode
    command = [sys.executable, *flags, "-c", _BOOT, json.dumps(told)]
    process = subprocess.Popen(command, pass_fds=(end.fileno(), life), stdin=subprocess.DEVNULL)
    process.returncode = 0  # reaped by us, not by the garbage collector
    return process.pid


def begin_spawned(pipe: int, life: int) -> None:
    """Do in a new interpreter what its first message says."""
    import pickle  # noqa: PLC0415

    code = 70
    try:
        _settle(life)
        channel = Channel(Connection(pipe), by_value=True)
        _, data = channel.receive()
        try:
            run: Run = pickle.loads(data)
        except Exception as error:  # what is imported there may raise anything
            channel.send(("unloadable",), f"{type(error).__name__}: {error}")
            channel.receive()
            raise
        run(channel)
        code = 0
    except (EOFError, BrokenPipeError, ConnectionResetError):
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _settle(life: int) -> None:
    """Leave interrupts to the first process, and end with it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def wait() -> None:
        with contextlib.suppress(OSError):
            os.read(life, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True, name="whence life line").start()


def _reseed() -> None:
    """Let copies not draw the same from generators that nobody seeds; `random` sees to that itself."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()
        torch.set_num_threads(1)  # its threads weren't copied, and waiting for them never ends
