"""Optuna: a study as one training, its trials as they end; what the objective trains is part of its trial."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from whence.integrations.autologging.fits import Fit, bounded_value, fit_of
from whence.integrations.autologging.hearing import guarded, quiet
from whence.integrations.autologging.patches import Call, Patches, Training, train, watch

_TOLD_TRIALS = 10_000
_CURVES = 200
"""Intermediate values of so many trials are metrics of their own; those of all are with the trials."""


def arrived(module: Any, patches: Patches) -> None:
    """Put hooks into Optuna."""
    study = module.study.Study
    patches.training(study, "optimize", on_optimize, title=title_of)
    patches.replacing(study, "tell", _telling)


def title_of(call: Call) -> str:
    """optuna(study name)."""
    return f"optuna({call.owner.study_name})"


def on_optimize(call: Call, fit: Fit) -> Training:
    """Record a study while it optimizes."""
    study, given = call.owner, call.arguments()
    trials = _begin(fit, study, call)
    fit.log_params({name: given[name] for name in ("n_trials", "timeout", "n_jobs")})
    callbacks = [*(given.get("callbacks") or ()), lambda _, trial: trials.tell(trial)]
    try:
        yield {"func": _within(given["func"]), "callbacks": callbacks}
    finally:  # a trial that failed for good isn't told to callbacks
        with guarded(call.function):
            trials.end()
            fit.is_of(study)


def _within(objective: Callable[..., Any]) -> Callable[..., Any]:
    """An objective that trains quietly, in whichever thread it is called."""

    @functools.wraps(objective, updated=())
    def quieted(trial: Any) -> Any:
        with quiet():
            return objective(trial)

    return quieted


def _telling(original: Any) -> Any:
    @functools.wraps(original)
    def tell(*args: Any, **kwargs: Any) -> Any:
        if args and fit_of(args[0]) is not None:
            return watch(original, on_further_tell, False, args, kwargs)
        return train(original, on_first_tell, title_of, args, kwargs)

    return tell


def on_first_tell(call: Call, fit: Fit) -> Training:
    """Record a study of which trials are asked for and told one by one."""
    trials = _begin(fit, call.owner, call)
    told = yield None
    fit.is_of(call.owner)
    trials.tell(told)
    fit.trials = trials
    fit.run.before_end(lambda error: trials.end())


def on_further_tell(call: Call) -> Training:
    """A further trial is told."""
    told = yield None
    fit = fit_of(call.owner)
    if fit is not None and fit.trials is not None:
        fit.trials.tell(told)


def _begin(fit: Fit, study: Any, call: Call) -> _Trials:
    fit.describe(
        library="optuna",
        version=sys.modules["optuna"].__version__,
        method=call.function.__name__,
        study={
            "name": study.study_name,
            "directions": [direction.name.lower() for direction in study.directions],
            "sampler": _described(study.sampler),
            "pruner": _described(study.pruner),
            "earlier_trials": len(study.get_trials(deepcopy=False)),
        },
    )
    return _Trials(fit, study)


def _described(part: Any) -> str:
    return type(part).__name__


class _Trials:
    """Records the trials of a study.

    Args:
        fit: the training.
        study: whose trials; those that it had before aren't told.
    """

    def __init__(self, fit: Fit, study: Any) -> None:
        self._fit = fit
        self._study = study
        self._lock = threading.Lock()
        self._known = {trial.number for trial in study.get_trials(deepcopy=False)}
        self._known -= {trial.number for trial in study.get_trials(deepcopy=False) if not _is_over(trial)}
        self._told: dict[int, dict[str, Any]] = {}

    def tell(self, trial: Any) -> None:
        """A trial is over."""
        with guarded(type(self._study).optimize), self._lock:
            if trial.number in self._known:
                return
            self._known.add(trial.number)
            told = _facts_of(trial)
            if len(self._told) < _TOLD_TRIALS:
                self._told[trial.number] = told
                self._fit.tell_more(**{f"trial{trial.number}": told})
            self._log(trial, told)

    def _log(self, trial: Any, told: Mapping[str, Any]) -> None:
        names = _value_names(self._study, "trial_value")
        found = dict(zip(names, trial.values or (), strict=False))
        if told["duration_s"] is not None:
            found["trial_duration_s"] = told["duration_s"]
        self._fit.log_metrics(found, step=trial.number)
        if trial.number < _CURVES:
            for step, value in trial.intermediate_values.items():
                self._fit.log_metrics({f"trial{trial.number}_value": value}, step=step)

    def end(self) -> None:
        """The study is over: what it had that wasn't told, the table of trials, the best one."""
        with guarded(type(self._study).optimize):
            for trial in self._study.get_trials(deepcopy=False):
                if _is_over(trial):
                    self.tell(trial)
            self._fit.log_json(
                [self._told[number] for number in sorted(self._told)], self._fit.named("trials.json")
            )
            states: dict[str, int] = {}
            for told in self._told.values():
                states[told["state"]] = states.get(told["state"], 0) + 1
            self._fit.describe(states=states)
            self._tell_best()
            self._fit.tell_more()

    def _tell_best(self) -> None:
        best = [trial for trial in self._study.best_trials if trial.values]
        self._fit.describe(best_trials=[trial.number for trial in best][:100])
        if len(self._study.directions) == 1 and best:
            best = [self._study.best_trial]
            values = {"best_value": best[0].value}
            self._fit.log_metrics(values, step=best[0].number)
            self._fit.log_params({f"best_{name}": value for name, value in best[0].params.items()})


def _is_over(trial: Any) -> bool:
    return bool(trial.state.is_finished())


def _value_names(study: Any, name: str) -> list[str]:
    count = len(study.directions)
    if count == 1:
        return [name]
    named = getattr(study, "metric_names", None)
    return [f"{name}_{each}" for each in (named or range(count))]


def _facts_of(trial: Any) -> dict[str, Any]:
    duration = trial.duration
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "params": {name: bounded_value(value) for name, value in trial.params.items()},
        "values": trial.values,
        "intermediate": {str(step): value for step, value in trial.intermediate_values.items()},
        "duration_s": None if duration is None else duration.total_seconds(),
        "attributes": {name: bounded_value(value) for name, value in trial.user_attrs.items()},
    }
