"""What `wh.autolog()` adds to a step of a training loop of PyTorch, beside a metric that is logged by hand.

Run it beside PyTorch: .neighbours/torch/bin/python benchmarks/torch_steps.py. Blocks of steps take turns in
one process and one run: without anything, with the loss logged by hand, with autolog. CPU time of the thread.
"""

from __future__ import annotations

import contextlib
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

import torch

import whence as wh

BLOCKS = 200
STEPS = 50


def main() -> None:
    """Measure, and print."""
    torch.set_num_threads(1)
    net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    x, y = torch.randn(32, 64), torch.randint(0, 10, (32,))

    def block(log: Callable[[float, int], None] | None = None) -> float:
        began = time.thread_time_ns()
        for step in range(STEPS):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            if log is not None:
                log(loss.item(), step)
        return (time.thread_time_ns() - began) / STEPS / 1_000

    times: dict[str, list[float]] = {"plain": [], "by hand": [], "autolog": []}
    with tempfile.TemporaryDirectory() as folder, wh.start_run(workspace=folder) as run:
        wh.autolog("torch")
        began = time.perf_counter()
        block()
        print(f"the first {STEPS} steps, with what is found out: {time.perf_counter() - began:.3f} s")
        for _ in range(BLOCKS):
            times["autolog"].append(block())
            with unheard():
                times["plain"].append(block())
                times["by hand"].append(block(lambda loss, step: run.log_metric("other", loss, step)))
        wh.autolog(False)
    for name, values in times.items():
        print(f"{name:8} {told(values)} us a step")
    for one, other in (("by hand", "plain"), ("autolog", "plain"), ("autolog", "by hand")):
        more = [after - before for after, before in zip(times[one], times[other], strict=True)]
        print(f"{one} beyond {other}: {told(more)} us a step")


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Nothing of a loop is heard."""
    stepping = importlib.import_module("torch.optim.optimizer")
    hooks = [stepping._global_optimizer_pre_hooks, stepping._global_optimizer_post_hooks]
    kept = [dict(each) for each in hooks]
    heard = torch.autograd.backward
    for each in hooks:
        each.clear()
    torch.autograd.backward = heard.__wrapped__
    yield
    torch.autograd.backward = heard
    for each, hook in zip(hooks, kept, strict=True):
        each.update(hook)


def told(values: list[float]) -> str:
    """The middle of values, and how far half of them reach."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:6.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
