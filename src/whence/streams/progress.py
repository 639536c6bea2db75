"""How far a long reading is, shown on a terminal while it lasts; nothing where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

from whence.ops import Chunk
from whence.streams.plan import Program

_LONG_S = 1.0


def shown(chunks: Iterable[Chunk], program: Program) -> Iterator[Chunk]:
    """Hand on the outputs of a program, and show on standard error how many there were so far.

    What takes less than a second shows nothing.
    """
    if not sys.stderr.isatty():
        yield from chunks
        return
    from rich.console import Console  # noqa: PLC0415 - loaded only where somebody watches
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    began = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(program.name or "stream", total=program.steps[-1].node.known_size())
    is_shown = False
    try:
        for chunk in chunks:
            yield chunk
            bar.advance(task, len(chunk))
            if not is_shown and time.monotonic() - began > _LONG_S:
                is_shown = True
                bar.start()
    finally:
        bar.stop()
