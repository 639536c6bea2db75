"""What a training with PyTorch is made of, said in plain values: modules, optimizers, schedulers, loaders.

Nothing here changes what it looks at, and nothing waits for a device.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

_MOST_LETTERS = 1_000_000
_MOST_ITEMS = 100
_WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "OptimizedModule": "_orig_mod",
}


def find_alive(*kinds: type) -> list[Any]:
    """Find all objects of some kinds; those that have other references than themselves can't be told apart.

    Cost: 0.1 µs for each object of the process that the collector knows.
    """
    return [each for each in gc.get_objects() if issubclass(type(each), kinds)]


def find_roots(optimizer: Any, alive: Iterable[Any]) -> list[Any]:
    """Find the outermost modules that own what an optimizer changes, the one with the most of it first.

    Args:
        optimizer: of `torch.optim`.
        alive: all modules there are.
    """
    owned = {id(each) for group in optimizer.param_groups for each in group["params"]}
    modules = [each for each in alive if isinstance(each, torch.nn.Module)]
    parents: dict[int, list[Any]] = defaultdict(list)
    for module in modules:
        for child in _within(module, "_modules"):
            parents[id(child)].append(module)
    held: dict[int, set[int]] = defaultdict(set)
    tops: dict[int, Any] = {}
    for module in modules:
        mine = {id(each) for each in _within(module, "_parameters")} & owned
        for top in _tops(module, parents) if mine else ():
            held[id(top)] |= mine
            tops[id(top)] = top
    roots, left = [], set(owned)
    while left and tops:
        best = max(tops, key=lambda key: (len(held[key] & left), -len(list(tops[key].modules()))))
        if not held[best] & left:
            break
        left -= held[best]
        roots.append(tops.pop(best))
    return roots


def unwrapped(module: Any) -> Any:
    """The user's own module within what compiles or distributes it."""
    while (field := _WRAPPERS.get(type(module).__name__)) in module._modules:
        module = module._modules[field]
    return module


def described(module: Any) -> dict[str, Any]:
    """Say what a module is and how large."""
    found = list(module.parameters())
    return {
        "model": type(module).__qualname__,
        "model.parameters": sum(map(count_of, found)),
        "model.trainable": sum(count_of(each) for each in found if each.requires_grad),
    }


def count_of(parameter: Any) -> int:
    """How many numbers a parameter has; one that is still without a shape has none."""
    return 0 if isinstance(parameter, torch.nn.parameter.UninitializedTensorMixin) else parameter.numel()


def text_of(module: Any) -> str:
    """A module's architecture, as it prints itself."""
    text = repr(module)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}\n… {len(text)} letters in all"


def signature_of(module: Any, args: Any, kwargs: Mapping[str, Any], output: Any) -> dict[str, Any]:
    """Say the tensors that went into a module and came out of it."""
    try:
        given = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        given = {str(number): each for number, each in enumerate(args)} | dict(kwargs)
    return {
        "inputs": [_told_tensor(*each) for each in _tensors("", given)],
        "outputs": [_told_tensor(*each) for each in _tensors("", output)],
    }


def optimizer_params(optimizer: Any, prefix: str) -> dict[str, Any]:
    """Say an optimizer's kind and hyperparameters: those of its first group, and where others differ."""
    found: dict[str, Any] = {prefix: type(optimizer).__qualname__}
    first: dict[str, Any] = {}
    for number, group in enumerate(optimizer.param_groups):
        settings = {key: told(value) for key, value in group.items() if key not in ("params", "param_names")}
        if number == 0:
            first = settings
            found |= {f"{prefix}.{key}": value for key, value in settings.items()}
        else:
            changed = {key: value for key, value in settings.items() if first.get(key) != value}
            found |= {f"{prefix}.group{number}.{key}": value for key, value in changed.items()}
    if len(optimizer.param_groups) > 1:
        found[f"{prefix}.groups"] = len(optimizer.param_groups)
    return found


def scheduler_params(optimizer: Any, alive: Iterable[Any], prefix: str) -> dict[str, Any]:
    """Say which schedulers change an optimizer's learning rate, and their settings."""
    found: dict[str, Any] = {}
    schedulers = [
        each
        for each in alive
        if isinstance(each, torch.optim.lr_scheduler.LRScheduler) and vars(each).get("optimizer") is optimizer
    ]
    for number, scheduler in enumerate(schedulers):
        name = prefix if number == 0 else f"{prefix}{number + 1}"
        found[name] = type(scheduler).__qualname__
        for key, value in vars(scheduler).items():
            if not key.startswith("_") and key not in _NO_SETTINGS and is_plain(value):
                found[f"{name}.{key}"] = told(value)
    return found


_NO_SETTINGS = frozenset({"base_lrs", "last_epoch", "num_bad_epochs", "best", "cooldown_counter", "verbose"})


def loader_params(loader: Any) -> dict[str, Any]:
    """Say how a loader reads, and what."""
    sampler = getattr(loader, "sampler", None)
    found = {
        "batch_size": loader.batch_size,
        "drop_last": loader.drop_last,
        "num_workers": loader.num_workers,
        "sampler": type(sampler).__qualname__,
        "shuffle": isinstance(sampler, torch.utils.data.RandomSampler),
        "dataset": type(loader.dataset).__qualname__,
    }
    own = loader.batch_sampler
    if own is not None and type(own) is not torch.utils.data.BatchSampler:
        found["batch_sampler"] = type(own).__qualname__
    if isinstance(loader.dataset, torch.utils.data.IterableDataset):
        del found["sampler"], found["shuffle"]  # it has an order of its own
    with contextlib.suppress(TypeError):  # where only the reading tells
        found["dataset_length"] = len(loader.dataset)
    return found


def settings() -> dict[str, Any]:
    """What of PyTorch's settings decides whether the same training gives the same result."""
    seed = torch.initial_seed()
    return {
        "torch.seed": seed if seed < 1 << 63 else str(seed),  # else no integer that others can hold
        "torch.deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "torch.cudnn.deterministic": torch.backends.cudnn.deterministic,
        "torch.cudnn.benchmark": torch.backends.cudnn.benchmark,
        "torch.num_threads": torch.get_num_threads(),
    }


def is_plain(value: Any) -> bool:
    """Whether a setting is a number, a word, or a few of them."""
    if isinstance(value, (list, tuple)):
        return len(value) <= _MOST_ITEMS and all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def told(value: Any) -> Any:
    """A setting as a plain value; what is no number and no word is named by its kind."""
    if isinstance(value, torch.Tensor):
        small = value.numel() == 1 and value.device.type == "cpu"
        return value.item() if small else f"Tensor{list(value.shape)}"
    if not is_plain(value):
        return type(value).__qualname__
    return list(value) if isinstance(value, tuple) else value


def _tops(module: Any, parents: Mapping[int, list[Any]]) -> list[Any]:
    seen, ends, left = {id(module)}, [], [module]
    while left:
        each = left.pop()
        above = [parent for parent in parents.get(id(each), ()) if id(parent) not in seen]
        seen.update(map(id, above))
        left += above
        if not parents.get(id(each)):
            ends.append(each)
    return ends


def _within(module: Any, field: str) -> list[Any]:
    """What a module holds itself; one whose `__init__` hasn't run holds nothing."""
    held = module.__dict__.get(field)
    return [each for each in held.values() if each is not None] if isinstance(held, dict) else []


def _tensors(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The tensors within a value, each with the way to it."""
    if isinstance(value, torch.Tensor):
        yield name or "0", value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _tensors(f"{name}.{key}" if name else str(key), each)
    elif isinstance(value, (list, tuple)) and len(value) <= _MOST_ITEMS:
        names = getattr(value, "_fields", range(len(value)))
        for key, each in zip(names, value, strict=False):
            yield from _tensors(f"{name}.{key}" if name else str(key), each)


def _told_tensor(name: str, tensor: Any) -> dict[str, Any]:
    return {"name": name, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)}


def is_shared_out(module: Any) -> bool:
    """Whether processes hold parts of its parameters, so that no one of them can write it alone."""
    if type(module).__name__ == "FullyShardedDataParallel":
        return True
    return any(type(each).__name__ == "DTensor" for each in module.parameters())
