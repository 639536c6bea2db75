"""PyTorch: training loops of the user's own, which no library runs.

There is no call that is the training. So the steps of optimizers are heard, what `backward` is called on,
what clipping finds, and the passes over loaders; outside of a run the first step begins one, which ends with
the program. Within a training of another library nothing is heard here: it says itself what it does.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from whence.capture import current_ear, current_recorder
from whence.integrations.autologging import torch_parts as parts
from whence.integrations.autologging.early import early
from whence.integrations.autologging.fits import Fit, users_run
from whence.integrations.autologging.patches import Patches, guarded, is_heard
from whence.integrations.autologging.torch_loop import Begun, Loop, Pending, read
from whence.integrations.held import Held
from whence.workspace import Run, start_run


def arrived(module: Any, patches: Patches) -> None:
    """Hear of what a training loop does."""
    heard = _Heard()
    for handle in (
        register_optimizer_step_pre_hook(heard.before_step),
        register_optimizer_step_post_hook(heard.after_step),
    ):
        patches.undo(handle.remove)
    patches.undo(heard.stop)
    patches.put(torch.autograd, "backward", heard.around_backward)
    for place in (torch.nn.utils, torch.nn.utils.clip_grad):
        patches.put(place, "clip_grad_norm_", heard.around_clipping)
    patches.put(torch.amp.GradScaler, "scale", heard.around_scaling)
    patches.put(torch.amp.GradScaler, "update", heard.around_updating)
    loading = torch.utils.data.dataloader
    patches.put(loading._BaseDataLoaderIter, "__init__", heard.around_beginning)
    patches.put(loading._MultiProcessingDataLoaderIter, "_reset", heard.around_beginning_anew)


@torch._disable_dynamo  # type: ignore[untyped-decorator]  # torch is untyped here
def _apart(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function by Python within what is compiled; neither a step nor `backward` is part of a graph."""
    return function(*args, **kwargs)


class _Heard:
    """What is heard of PyTorch, and the loop that it belongs to."""

    def __init__(self) -> None:
        self._pending = Pending()
        self._loops: dict[str, Loop] = {}
        self._begun: list[Begun] = []
        self._own: list[Run] = []
        self._is_refused = False
        self._lock = threading.Lock()

    def before_step(
        self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """An optimizer is about to make a step; a function that it is given is listened to."""
        if torch.compiler.is_compiling():
            return _apart(self.before_step, optimizer, args, kwargs)  # type: ignore[no-any-return]  # untyped
        if not is_heard():
            return None
        pending = self._pending
        with guarded(torch.optim.Optimizer.step):
            loop = pending.loop
            if pending.recorder is not current_recorder() or loop is None or not loop.has_met(optimizer):
                pending.loop = None
                loop = pending.loop = self._loop_of(optimizer)
                pending.recorder = current_recorder()
            if loop is None:
                return None
            if len(args) > 1 and callable(args[1]):
                return (args[0], pending.within(args[1]), *args[2:]), kwargs
            if kwargs and callable(closure := kwargs.get("closure")):
                return args, {**kwargs, "closure": pending.within(closure)}
        return None

    def after_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """An optimizer made a step."""
        if torch.compiler.is_compiling():
            _apart(self.after_step, optimizer, args, kwargs)
            return
        if not is_heard():
            return
        with guarded(torch.optim.Optimizer.step):
            loop = self._pending.loop
            if loop is not None:
                begun: list[Begun] = []
                if self._begun:
                    begun, self._begun = self._begun, begun
                loop.stepped(optimizer, self._pending, begun)

    def around_backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Note what `backward` is called on; within it, others may call it for themselves."""
        pending = self._pending

        @functools.wraps(original)
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return _apart(backward, tensors, *args, **kwargs)
            if pending.is_within or not is_heard():
                return original(tensors, *args, **kwargs)
            pending.is_within = True
            try:
                returned = original(tensors, *args, **kwargs)
            finally:
                pending.is_within = False
            with guarded(original):
                pending.add(tensors)
            return returned

        return backward

    def around_clipping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Note the norm that the gradients have before they are clipped."""
        pending = self._pending

        @functools.wraps(original)
        def clip_grad_norm_(*args: Any, **kwargs: Any) -> Any:
            returned = original(*args, **kwargs)
            if not torch.compiler.is_compiling() and is_heard():
                with guarded(original):
                    pending.norm = read(returned)
            return returned

        return clip_grad_norm_

    def around_scaling(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Note the loss that is scaled, since `backward` is called on another one."""
        pending = self._pending

        @functools.wraps(original)
        def scale(scaler: Any, outputs: Any) -> Any:
            returned = original(scaler, outputs)
            if returned is not outputs and not torch.compiler.is_compiling() and is_heard():
                with guarded(original):
                    pending.scaled(outputs, returned)
            return returned

        return scale

    def around_updating(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A scaler has made the steps that it makes; one whose gradients were no numbers it left out."""
        pending = self._pending

        @functools.wraps(original)
        def update(*args: Any, **kwargs: Any) -> Any:
            returned = original(*args, **kwargs)
            if not torch.compiler.is_compiling() and is_heard():
                pending.drop()
            return returned

        return update

    def around_beginning(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A pass over a loader begins."""

        @functools.wraps(original)
        def __init__(iterator: Any, loader: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - as it was
            original(iterator, loader, *args, **kwargs)
            if is_heard():
                with guarded(original):
                    self._began(iterator, loader)

        return __init__

    def around_beginning_anew(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Another pass begins, over a loader whose workers go on."""

        @functools.wraps(original)
        def _reset(iterator: Any, loader: Any, first_iter: bool = False) -> None:
            original(iterator, loader, first_iter)
            if not first_iter and is_heard():
                with guarded(original):
                    self._began(iterator, loader)

        return _reset

    def stop(self) -> None:
        """Hear no more: the loops are over, and with them the runs that were begun for them."""
        for loop in list(self._loops.values()):
            self._end(loop, None)
        for run in self._own:
            run.finish()

    def _began(self, iterator: Any, loader: Any) -> None:
        if isinstance(loader.dataset, Held) and users_run() is None:
            self._begin("training")  # or what is read before the first step wouldn't be in the record
        self._begun = [*self._begun[-_MOST_BEGUN:], Begun(iterator, loader)]

    def _loop_of(self, optimizer: Any) -> Loop | None:
        """Find the loop that an optimizer's step belongs to, or begin one."""
        run = users_run()
        loop = None if run is None else self._loops.get(run.id)
        if loop is not None and loop.has_met(optimizer):
            return loop
        with self._lock:
            return self._met(optimizer)

    def _met(self, optimizer: Any) -> Loop | None:
        run = users_run()
        loop = None if run is None else self._loops.get(run.id)
        if run is None and not self._may_begin():
            return None
        alive = parts.find_alive(torch.nn.Module, torch.optim.lr_scheduler.LRScheduler)
        roots = parts.find_roots(optimizer, alive)
        title = type(parts.unwrapped(roots[0])).__name__ if roots else type(optimizer).__name__
        if run is None:
            run = self._begin(title)
        if loop is None:
            facts = {"title": title, "library": "torch", "version": torch.__version__}
            loop = self._loops[run.id] = Loop(Fit(run, run.log_fit(facts), is_alone=False))
            run.before_end(functools.partial(self._end, loop))
        loop.meet(optimizer, roots, alive)
        return loop

    def _end(self, loop: Loop, error: BaseException | None) -> None:
        begun, self._begun = self._begun, []
        self._loops.pop(loop.fit.run.id, None)
        loop.end(error, begun)

    def _may_begin(self) -> bool:
        """Whether a step begins a run: not in a further rank, and not where that has failed before."""
        distributed = torch.distributed
        if distributed.is_available() and distributed.is_initialized() and distributed.get_rank() != 0:
            return False
        return not self._is_refused

    def _begin(self, title: str) -> Run:
        """Begin a run, which ends with the program."""
        self._is_refused = True
        run = start_run(title)
        self._is_refused = False
        ear = current_ear()
        if ear is not None:
            early.tell(ear.took)  # the files that the script read first, and trains on
        self._own = [*(each for each in self._own if each.is_open), run]
        return run


_MOST_BEGUN = 63
