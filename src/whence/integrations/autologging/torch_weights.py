"""The trained module of a PyTorch loop: what it is, and its weights when the run ends or it goes away before.

A script's model often lives in a function that returns before the run ends. Holding on to it would keep
its memory, of a device perhaps; so only its parameters are held, and only as long as the module itself
lives. When it goes, they are brought to the main memory, and written when the run can next be written.
"""

from __future__ import annotations

import contextlib
import io
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch

from whence.integrations.autologging import torch_parts as parts
from whence.integrations.autologging.fits import Fit
from whence.integrations.autologging.hearing import guarded

try:
    import safetensors.torch as safetensors
except ImportError:  # then PyTorch's own format is used, which can run code when it is read
    safetensors = None


class Trained:
    """A module that optimizers change.

    Args:
        root: the outermost one, with what wraps it.
        most_bytes: up to which size its weights are kept.
    """

    def __init__(self, root: Any, most_bytes: int) -> None:
        module = parts.unwrapped(root)
        self.facts = parts.described(module)
        self.text = parts.text_of(module)
        self.name = type(module).__name__
        self.signature: dict[str, Any] | None = None
        self.is_shared_out = parts.is_shared_out(root)
        self._most_bytes = most_bytes
        self._module = weakref.ref(module, self._leave)
        self._held = [] if self.is_shared_out else _dicts_of(module)
        self._is_kept = False
        self._left: dict[str, Any] | None = None

    def watch_forward(self, root: Any) -> Callable[[], None]:
        """Hear of the next forward pass, for the signature.

        Returns:
            takes the hook off again.
        """
        if getattr(root, "_compiled_call_impl", None) is not None or isinstance(root, torch.jit.ScriptModule):
            return lambda: None  # a hook would have it compiled anew, or be refused
        hook = _Glance(self)
        hook.handle = root.register_forward_hook(hook, with_kwargs=True)
        return hook.handle.remove  # type: ignore[no-any-return]  # torch is untyped here

    @property
    def is_gone(self) -> bool:
        """Whether the module went away, and its weights wait to be written."""
        return self._left is not None

    def weights(self) -> dict[str, Any]:
        """The state of the module, as it is or as it was when it went away."""
        if self._left is not None:
            return self._left
        module = self._module()
        return dict(module.state_dict()) if module is not None else {}

    def keep(self, fit: Fit) -> None:
        """Record the module as a model, once, with weights that aren't too large; then hold nothing."""
        if self._is_kept or not fit.options.models:
            return
        self._is_kept = True
        state = {} if self.is_shared_out else self.weights()
        if self.is_shared_out or _size(state) > self._most_bytes:
            why = "its parameters are divided" if self.is_shared_out else f"it has {_size(state)} bytes"
            fit.describe(models_left_out=f"{self.name}: {why}")
        elif state:
            content, kind = packed(state)
            told = self.facts | {"torch": torch.__version__}
            fit.run.log_model(self.name, content, metadata=told, format=kind, signature=self.signature)
        self._held, self._left = [], None

    def _leave(self, _: Any) -> None:
        """The module goes away; nothing may be written here, where the collector may be at work."""
        with guarded(self.keep):
            state, self._held = _state_of(self._held), []
            if state:
                device = (
                    "cpu" if _size(state) <= self._most_bytes else "meta"
                )  # which has sizes and no content
                self._left = {name: each.detach().to(device) for name, each in state.items()}


class _Glance:
    """A hook that sees one forward pass; a copy of it, or what is read from a pickle, does nothing."""

    def __init__(self, trained: Trained) -> None:
        self._trained = weakref.ref(trained)
        self.handle: Any = None

    def __call__(self, module: Any, args: Any, kwargs: Mapping[str, Any], output: Any) -> None:
        self.handle.remove()
        trained = self._trained()
        if trained is not None:
            trained.signature = parts.signature_of(parts.unwrapped(module), args, kwargs, output)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (_NOTHING, "__exit__")


_NOTHING = contextlib.nullcontext()  # leaving it takes any arguments and does nothing


def _size(state: Mapping[str, Any]) -> int:
    return sum(each.nbytes for each in state.values() if isinstance(each, torch.Tensor))


def packed(state: Mapping[str, Any]) -> tuple[bytes, str]:
    """Write a state as bytes; returns the name of the format, too."""
    if safetensors is not None and all(isinstance(each, torch.Tensor) for each in state.values()):
        tensors, aliases = _without_aliases(state)
        with contextlib.suppress(Exception):  # it knows fewer types of numbers
            return safetensors.save(tensors, aliases), "safetensors"
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue(), "torch"


def _without_aliases(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Keep each tensor once; a further name of one, as of tied weights, becomes an entry of the metadata."""
    tensors: dict[str, Any] = {}
    aliases: dict[str, str] = {"format": "pt"}
    first: dict[Any, str] = {}
    for name, tensor in state.items():
        plain = tensor.detach()
        place = (plain.data_ptr(), plain.dtype, plain.device, plain.shape, plain.stride())
        known = first.setdefault(place, name) if plain.numel() else name
        if known == name:
            tensors[name] = plain.cpu().contiguous()
        else:
            aliases[name] = known
    counts = Counter(each.untyped_storage().data_ptr() for each in tensors.values())
    apart = {
        name: each.clone() if counts[each.untyped_storage().data_ptr()] > 1 else each
        for name, each in tensors.items()
    }
    return apart, aliases


def _dicts_of(module: Any) -> list[tuple[str, Any, Any, Any]]:
    """What a module and those within it keep their tensors in: they stay the same when it is moved."""
    found = []
    for prefix, each in module.named_modules(remove_duplicate=False):
        start = f"{prefix}." if prefix else ""
        found.append((start, each._parameters, each._buffers, each._non_persistent_buffers_set))
    return found


def _state_of(held: list[tuple[str, Any, Any, Any]]) -> dict[str, Any]:
    """The tensors held, named as `state_dict` names them."""
    state = {}
    for start, parameters, buffers, passing in held:
        for name, each in (*parameters.items(), *buffers.items()):
            if each is not None and name not in passing:
                state[start + name] = each
    return state
