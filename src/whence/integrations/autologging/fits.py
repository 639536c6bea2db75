"""A training as it is recorded: the run that it is in, its number there, and what is said of it."""

from __future__ import annotations

import atexit
import contextlib
import math
import multiprocessing
import threading
import time
import traceback
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whence.capture import RunRecorder, current_ear, current_recorder, leave_run, redact
from whence.integrations.autologging.early import early
from whence.integrations.autologging.hearing import Options, begin_by, options
from whence.vocab import plain
from whence.workspace import Run, open_runs, start_run

_LONGEST = 500
_MOST_PARAMS = 1_000
_HELD = 8


class Fit:
    """One training, as it is recorded.

    Args:
        run: the run that it is in.
        number: counts the trainings of the run, from 1.
        is_alone: whether the run was begun for it.
    """

    def __init__(self, run: Run, number: int, *, is_alone: bool) -> None:
        self.run = run
        self.number = number
        self.is_alone = is_alone
        self.options: Options = options()
        self._recorder: RunRecorder | None = current_recorder() if is_alone else None
        self._facts: dict[str, Any] = {}
        self.hears_rounds = False
        self.trials: Any = None
        self.parts = 0
        self.rows = 0
        self.evaluated: dict[str, Any] = {}
        self.evaluations: list[dict[str, Any]] = []
        self._models: list[weakref.ref[Any]] = []
        self._steps: dict[str, int] = {}
        self._began_ns = time.perf_counter_ns()

    @classmethod
    def of(cls, title: str) -> Fit | None:
        """Make one in the user's run, else in a run of its own; None in a worker, which begins no runs."""
        users = users_run()
        if users is not None:
            run = users
        else:
            if multiprocessing.parent_process() is not None:
                return None
            _held.end_unneeded()
            run = start_run(title)
            _held.add(run)
        ear = current_ear()
        if ear is not None and run not in _told_early:
            _told_early.add(run)
            early.tell(ear.took)
        return cls(run, run.log_fit({"title": title}), is_alone=users is None)

    @property
    def prefix(self) -> str:
        """What stands before the names of its parameters and metrics: nothing for the first in a run."""
        return "" if self.number == 1 else f"fit{self.number}."

    def named(self, name: str) -> str:
        """The name of something that is kept with the run, so that no training's hides another's."""
        return f"{self.prefix}{name}"

    def describe(self, **facts: Any) -> None:
        """Say more of it: anything that has plain values."""
        self._facts |= facts

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record its parameters, long values cut off; one that the user gave himself isn't replaced."""
        taken = self.run.param_names
        bounded = {}
        for key, value in list(params.items())[:_MOST_PARAMS]:
            name = f"{self.prefix}{key}"
            bounded[f"fit{self.number}.{key}" if name in taken else name] = bounded_value(value)
        if len(params) > _MOST_PARAMS:
            self.describe(params_left_out=len(params) - _MOST_PARAMS)
        self.run.log_params(bounded)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record its metrics; without a step, each counts its own values from 0."""
        by_step: dict[int, dict[str, float]] = {}
        for key, value in metrics.items():
            name = f"{self.prefix}{key}"
            at = self._steps.get(name, -1) + 1 if step is None else step
            self._steps[name] = at
            by_step.setdefault(at, {})[name] = value
        for at, named in by_step.items():
            self.run.log_metrics(named, at)

    def log_bytes(self, content: bytes, name: str) -> None:
        """Keep a content as an artifact."""
        self.run.log_artifact(content, name)  # type: ignore[arg-type]  # it takes contents as well

    def log_json(self, content: Any, name: str) -> None:
        """Keep a value as an artifact."""
        self.run.log_dict(content, name)

    def log_model(self, name: str, content: Any, **told: Any) -> str | None:
        """Keep its model as the next version of a name, unless models aren't wanted; returns its digest."""
        if not self.options.models:
            return None
        return self.run.log_model(name, content, **told)

    def is_of(self, model: Any) -> None:
        """Say which object it trained, so that what is found out of that later goes to the same run."""
        key = id(model)
        known = weakref.ref(model, lambda _: _fit_by_model.pop(key, None))
        self._models.append(known)
        _fit_by_model[key] = (known, self)

    def begin(self) -> None:
        """The library's own work begins."""
        self._tell()
        self._began_ns = time.perf_counter_ns()

    def end(self) -> None:
        """It is over; a run of its own stays open for what is found out of its model."""
        self._tell(status="finished", wall_s=self._wall_s)
        if self.is_alone and self._recorder is not None:
            leave_run(self._recorder)
            _held.keep(self.run, self._models)

    def fail(self, error: BaseException) -> None:
        """It ended with an error, and so does a run of its own."""
        ended = {"status": "failed", "wall_s": self._wall_s, "error": type(error).__name__}
        if self.is_alone:
            self._tell(**ended)
            _held.end(self.run, error)  # which tells the traceback
        else:
            self._tell(**ended, traceback=redact("".join(traceback.format_exception(error))))

    def tell_more(self, **facts: Any) -> None:
        """Add to a training that is over, while its run goes on."""
        self._facts |= facts
        self._tell()

    @property
    def _wall_s(self) -> float:
        return (time.perf_counter_ns() - self._began_ns) / 1e9

    def _tell(self, **more: Any) -> None:
        facts, self._facts = self._facts | more, {}
        if facts:
            self.run.log_fit(facts, number=self.number)


def users_run() -> Run | None:
    """The run begun last that goes on; not one that stays open for a training of its own."""
    return next((run for run in reversed(open_runs()) if not _held.has(run)), None)


_told_early: weakref.WeakSet[Run] = weakref.WeakSet()
_fit_by_model: dict[int, tuple[weakref.ref[Any], Fit]] = {}


def fit_of(model: Any) -> Fit | None:
    """Find the training that an object came of, while its run can be written."""
    found = _fit_by_model.get(id(model))
    if found is None:
        return None
    if found[0]() is not model or not found[1].run.is_open:
        _fit_by_model.pop(id(model), None)
        return None
    return found[1]


@dataclass(slots=True)
class _Kept:
    run: Run
    models: list[weakref.ref[Any]] | None = None

    @property
    def is_needed(self) -> bool:
        """Whether something may still be found out of a model of its: it lives, and wasn't trained again."""
        fits = [fit_of(model()) for model in self.models or ()]
        return any(fit is not None and fit.run is self.run for fit in fits)


class _Held:
    """The runs that were begun for one training each and stay open for what is found out of their models."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def add(self, run: Run) -> None:
        """A run was begun for a training, which goes on."""
        with self._lock:
            self._kept[run.id] = _Kept(run)

    def has(self, run: Run) -> bool:
        """Whether it was."""
        return run.id in self._kept

    def keep(self, run: Run, models: list[weakref.ref[Any]]) -> None:
        """The training is over."""
        with self._lock:
            self._kept[run.id] = _Kept(run, models)
        atexit.unregister(self.end_all)
        atexit.register(self.end_all)  # before the run would end itself, not knowing that all went well
        if not models:
            self.end(run)

    def end(self, run: Run, error: BaseException | None = None) -> None:
        """End a run."""
        with self._lock:
            self._kept.pop(run.id, None)
        run.finish("finished" if error is None else "failed", error)

    def end_unneeded(self) -> None:
        """End the runs of models that are gone, and the oldest ones beyond a few."""
        with self._lock:
            over = [kept for kept in self._kept.values() if kept.models is not None]
        living = [kept for kept in over if kept.is_needed]
        for kept in over:
            if kept not in living[1 - _HELD :]:
                self.end(kept.run)

    def end_all(self) -> None:
        """End all whose training is over."""
        for kept in list(self._kept.values()):
            if kept.models is not None:
                self.end(kept.run)


_held = _Held()


def end_held() -> None:
    """End the runs that stay open for what is found out of their models."""
    _held.end_all()


def bounded_value(value: Any) -> Any:
    """Make a value plain and short: of a long one, or one with no plain form, the beginning of its `repr`."""
    if value is None or isinstance(value, bool | int | str):
        found = value
    elif isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    elif hasattr(value, "shape"):
        found = _repr_of(value)  # which leaves out most of a long one
    else:
        found = plain(value)
        if "$unknown" in str(found)[: _LONGEST * 4]:
            found = _repr_of(value)
    text = found if isinstance(found, str) else repr(found)
    return found if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _repr_of(value: Any) -> str:
    with contextlib.suppress(Exception):  # it is somebody else's
        return repr(value)
    return f"<{type(value).__qualname__}>"


begin_by(Fit.of)
