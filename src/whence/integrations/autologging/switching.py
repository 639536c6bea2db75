"""`wh.autolog()`: which libraries are heard, and what is recorded; nothing is imported for it."""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType

from whence.errors import InputError
from whence.integrations.autologging.arrivals import Arrivals
from whence.integrations.autologging.early import early
from whence.integrations.autologging.hearing import Options, guarded, switch
from whence.integrations.autologging.libraries import LIBRARIES, STREAMS, Library
from whence.integrations.autologging.patches import Patches

_lock = threading.RLock()
_patches = Patches()
_done: set[str] = set()
_wanted: dict[str, Library] = {}


def autolog(
    *libraries: str | bool,
    models: bool = True,
    datasets: bool = True,
    scores: bool = True,
    model_bytes: int = 1 << 30,
) -> None:
    """Record trainings from now on: parameters, metrics, data, models, of libraries imported now or later.

    Within a run all goes into that; outside of one, each training gets a run of its own, named after what
    is trained. Only the outermost call counts: a search is one training, whatever it fits within.

    Args:
        libraries: the names of those to record ("sklearn", …); none for all that are known.
            `autolog(False)` takes everything back, to the very functions that were there.
        models: whether to keep the models that come of it.
        datasets: whether to describe the data: shapes, types, class balance, digests, where it came from.
        scores: whether to score a model on its training data, where the library has no metrics of it.
        model_bytes: up to which size weights are kept; larger ones are only described.

    Raises:
        InputError: a library that isn't known; nothing is changed.
    """
    with _lock:
        if False in libraries:
            _stop()
            return
        chosen = [STREAMS, *([_library(name) for name in libraries] or LIBRARIES)]
        switch(Options(models=models, datasets=datasets, scores=scores, model_bytes=model_bytes))
        early.listen()
        for library in chosen:
            _wanted.update(dict.fromkeys(library.modules, library))
        _arrivals.wait_for([name for library in chosen for name in library.modules])


def _library(name: object) -> Library:
    for library in LIBRARIES:
        if name in (library.name, *library.aliases):
            return library
    known = ", ".join(library.name for library in LIBRARIES)
    raise InputError(f"autolog({name!r:.60}): wanted a library that is known", remedy=f"One of {known}.")


def _arrived(module: ModuleType) -> None:
    """Put the hooks of a library into a module of it."""
    with _lock:
        library = _wanted.get(module.__name__)
        if library is None or module.__name__ in _done:
            return
        _done.add(module.__name__)
    with guarded(
        library.name
    ):  # not within the lock: another thread may hold that of a module and wait for it
        importlib.import_module(library.file).arrived(module, _patches)


def _stop() -> None:
    switch(None)
    early.stop()
    _arrivals.stop()
    _patches.take_off()
    _done.clear()
    _wanted.clear()
    fits = sys.modules.get(f"{__package__}.fits")
    if fits is not None:
        fits.end_held()


_arrivals = Arrivals(_arrived)
