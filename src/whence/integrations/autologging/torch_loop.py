"""A training loop of the user's own with PyTorch, as it is recorded: by its optimizer steps.

A step of an optimizer is what the loop is counted by. Its loss is the sum of what `backward` was called on
since the step before: the parts of a loss that was accumulated, or the terms of one that has several. Values
on a device are summed there and read a hundred at a time, so that no step waits for it.
"""

from __future__ import annotations

import contextlib
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any

import torch

from whence.integrations.autologging import torch_parts as parts
from whence.integrations.autologging.fits import Fit
from whence.integrations.autologging.patches import guarded
from whence.integrations.autologging.torch_weights import Trained

_READ_AT_ONCE = 100
_MOST_OPTIMIZERS = 16  # who makes more of them makes one for each step, perhaps


class Begun:
    """A pass over a loader that was begun.

    Args:
        iterator: reads it.
        loader: gave it; it may be gone as soon as it has.
    """

    def __init__(self, iterator: Any, loader: Any) -> None:
        self.params = parts.loader_params(loader)
        self._iterator = weakref.ref(iterator)
        try:
            self._length: float = len(loader)
        except TypeError:
            self._length = math.inf

    def is_read(self, *, is_last: bool) -> bool:
        """Whether it is still read; the iterator of a loader with lasting workers is there afterwards."""
        iterator = self._iterator()
        return iterator is not None and (is_last or iterator._num_yielded < self._length)


class Pending(threading.local):
    """What a thread has come to since the last step of an optimizer."""

    def __init__(self) -> None:
        self.is_within = False
        self.loop: Loop | None = None
        self.recorder: Any = None
        self.norm: Any = None
        self._total: Any = None
        self._is_stepped = False
        self._unscaled: list[tuple[weakref.ref[Any], Any]] = []
        self._first: list[Any] = []
        self._has_closure = False

    def add(self, tensors: Any) -> None:
        """`backward` was called on a tensor, or on several."""
        for tensor in (tensors,) if isinstance(tensors, torch.Tensor) else tuple(tensors):
            if type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.numel() == 1:
                unscaled = [value for scaled, value in self._unscaled if scaled() is tensor]
                self._total = added(self._loss(), unscaled[0] if unscaled else read(tensor))
                self._is_stepped = False

    def scaled(self, outputs: Any, returned: Any) -> None:
        """A loss was scaled, to have `backward` called on what was returned."""
        if isinstance(returned, torch.Tensor):
            outputs, returned = [outputs], [returned]
        for before, after in zip(outputs, returned, strict=True):
            self._unscaled.append((weakref.ref(after), read(before)))

    def within(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """Note the loss that a function finds first; an optimizer may ask it many times for one step."""
        self._has_closure, self._first = True, []

        def evaluate() -> Any:
            found = closure()
            if not self._first:
                loss = self._loss()
                is_value = loss is None and isinstance(found, torch.Tensor) and found.numel() == 1
                self._first = [read(found) if is_value else loss]
            return found

        return evaluate

    def take(self) -> dict[str, Any]:
        """What belongs to the step that was made; a loss belongs to the first that is made after it."""
        loss = self._first[0] if self._first else None if self._has_closure else self._loss()
        found = {"loss": loss, "grad_norm": self.norm}
        self._is_stepped, self._has_closure, self.norm = True, False, None
        self._first, self._unscaled = [], []
        return {name: value for name, value in found.items() if value is not None}

    def drop(self) -> None:
        """No step is made with it any more."""
        self.take()

    def _loss(self) -> Any:
        return None if self._is_stepped else self._total


def added(total: Any, value: Any) -> Any:
    """The sum of two values; one on a device stays there."""
    if total is None:
        return value
    if isinstance(total, torch.Tensor) and isinstance(value, torch.Tensor):
        value = value.to(total.device, non_blocking=True)
    return total + value


def is_near(tensor: Any) -> bool:
    """Whether a value can be read without waiting for a device."""
    return bool(tensor.device.type == "cpu")


def read(tensor: Any) -> Any:
    """The value of a tensor: a number at once where that is free, else a copy that is read later."""
    if is_near(tensor):
        return tensor.item()
    # a copy, because what CUDA graphs give is written over by the next; of a type that sums can be made in
    kind = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    return tensor.detach().reshape(()).to(kind, copy=True)


class Seen:
    """An optimizer in a loop.

    Args:
        number: counts them, from 1.
        before: stands before the names of all that is recorded of the loop.
    """

    def __init__(self, number: int, before: str) -> None:
        self.name = "optimizer" if number == 1 else f"optimizer{number}"
        self.prefix = "" if number == 1 else f"{self.name}."
        self.start = before + self.prefix
        self.steps = 0
        self.rates: dict[str, float] = {}


class Loop:
    """A loop, as it is recorded.

    Args:
        fit: of the run that it is in.
    """

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.is_over = False
        self._seen: weakref.WeakKeyDictionary[Any, Seen] = weakref.WeakKeyDictionary()
        self._count = 0
        self._trained: list[Trained] = []
        self._roots: dict[int, weakref.ref[Any]] = {}
        self._glances: list[Callable[[], None]] = []
        self._waiting: list[tuple[str, int, Any]] = []
        self._loaders = _Loaders()

    def has_met(self, optimizer: Any) -> bool:
        """Whether an optimizer is known; beyond a number of them, all are."""
        return optimizer in self._seen or self._count == _MOST_OPTIMIZERS

    def meet(self, optimizer: Any, roots: list[Any], alive: list[Any]) -> None:
        """See an optimizer for the first time: what it is, and what it trains."""
        self._keep_those_gone()
        self._count += 1
        seen = self._seen[optimizer] = Seen(self._count, self.fit.prefix)
        params = parts.optimizer_params(optimizer, seen.name)
        params |= parts.scheduler_params(optimizer, alive, f"{seen.prefix}scheduler")
        if self._count == 1:
            params |= parts.settings()
        for root in roots:
            known = self._roots.get(id(root))
            if known is None or known() is not root:
                self._roots[id(root)] = weakref.ref(root)
                params |= self._meet_model(root)
        self.fit.log_params(params)
        if self._count == _MOST_OPTIMIZERS:
            self.fit.tell_more(optimizers_left_out=f"those after the first {_MOST_OPTIMIZERS}")

    def stepped(self, optimizer: Any, pending: Pending, begun: list[Begun]) -> None:
        """An optimizer made a step; passes over loaders have begun since the one before."""
        seen = self._seen.get(optimizer)
        if seen is None:
            return
        seen.steps += 1
        if self._glances and seen.steps > 1:
            self._look_no_more()
        told = pending.take()
        self._tell_rates(seen, optimizer, told)
        if begun:
            epoch = self._loaders.stepped(begun, self.fit)
            told |= {} if epoch is None else {"epoch": epoch}
            self._keep_those_gone()
        self._log(told, seen)

    def read_waiting(self) -> None:
        """Read what waits on devices, all at once for each, and record it."""
        waiting, self._waiting = self._waiting, []
        by_kind: dict[Any, list[tuple[str, int, Any]]] = {}
        for each in waiting:
            by_kind.setdefault((each[2].device, each[2].dtype), []).append(each)
        values: dict[tuple[str, int], float] = {}
        for alike in by_kind.values():
            read_values = torch.stack([tensor for _, _, tensor in alike]).tolist()
            values |= {(key, step): value for (key, step, _), value in zip(alike, read_values, strict=True)}
        for key, step, _ in waiting:
            self.fit.run.log_metrics({key: values[key, step]}, step)

    def end(self, error: BaseException | None, begun: list[Begun]) -> None:
        """The run ends: what waits is recorded, and the models are kept."""
        if self.is_over:
            return
        self.is_over = True
        with guarded(self.end):
            self._look_no_more()
            self.read_waiting()
            self._loaders.end(begun, self.fit)
        for trained in self._trained:
            with guarded(trained.keep):
                trained.keep(self.fit)
        with guarded(self.fit.end):
            self.fit.end() if error is None else self.fit.fail(error)

    def _log(self, told: dict[str, Any], seen: Seen) -> None:
        near: dict[str, float] = {}
        for name, value in told.items():
            if isinstance(value, torch.Tensor):
                self._waiting.append((seen.start + name, seen.steps, value))
            else:
                near[seen.start + name] = value
        if near:
            self.fit.run.log_metrics(near, seen.steps)
        if len(self._waiting) >= _READ_AT_ONCE:
            self.read_waiting()

    def _tell_rates(self, seen: Seen, optimizer: Any, told: dict[str, Any]) -> None:
        """Tell learning rates that have changed; of further groups only those that differ from the first."""
        first = None
        for number, group in enumerate(optimizer.param_groups):
            rate = group.get("lr")
            if isinstance(rate, torch.Tensor):
                rate = read(rate)
            if number == 0:
                first = rate
            key = "lr" if number == 0 else f"lr.group{number}"
            if rate is None or isinstance(rate, torch.Tensor):
                told |= {} if rate is None else {key: rate}
            elif seen.rates.get(key) != rate and (number == 0 or rate != first or key in seen.rates):
                seen.rates[key] = told[key] = rate

    def _meet_model(self, root: Any) -> dict[str, Any]:
        number = len(self._trained) + 1
        trained = Trained(root, self.fit.options.model_bytes)
        self._trained.append(trained)
        self._glances.append(trained.watch_forward(root))
        name = "model" if number == 1 else f"model{number}"
        self.fit.run.log_text(trained.text, f"{self.fit.prefix}{name}.txt")
        return {key.replace("model", name, 1): value for key, value in trained.facts.items()}

    def _look_no_more(self) -> None:
        for remove in self._glances:
            with contextlib.suppress(Exception):  # of a module that is half gone
                remove()
        self._glances.clear()

    def _keep_those_gone(self) -> None:
        for trained in self._trained:
            if trained.is_gone:
                trained.keep(self.fit)


class _Loaders:
    """The loaders of a loop: a pass in which steps are made is of the training, another one is not."""

    def __init__(self) -> None:
        self._epoch = -1
        self._known: dict[str, list[dict[str, Any]]] = {"train_loader": [], "eval_loader": []}

    def stepped(self, begun: list[Begun], fit: Fit) -> int | None:
        """A step is made after passes began; returns the number of the epoch, if that is a new one."""
        is_new = False
        for number, each in enumerate(begun, start=1):
            is_read = each.is_read(is_last=number == len(begun))
            is_first = self._tell("train_loader" if is_read else "eval_loader", each.params, fit)
            is_new = is_new or (is_read and is_first)
        self._epoch += is_new
        return self._epoch if is_new else None

    def end(self, begun: list[Begun], fit: Fit) -> None:
        """No further step is made after passes began."""
        for each in begun:
            self._tell("eval_loader", each.params, fit)

    def _tell(self, role: str, params: dict[str, Any], fit: Fit) -> bool:
        """Record how a loader reads, once; returns whether it is the first of its role."""
        known = self._known[role]
        if params not in known:
            known.append(params)
            name = role if len(known) == 1 else f"{role}{len(known)}"
            fit.log_params({f"{name}.{key}": value for key, value in params.items()})
        return known[0] == params
