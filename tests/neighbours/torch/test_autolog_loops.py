"""Training loops of users of PyTorch, recorded without a word in them: the record has what they saw."""

from __future__ import annotations

import copy
import gc
import importlib
import io
import pathlib
import pickle
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import whence as wh
from whence.errors import RecordWarning

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")
data = torch.utils.data

pytestmark = pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*")


@pytest.fixture(autouse=True)
def _home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    torch.manual_seed(7)
    yield
    wh.autolog(False)


class Net(torch.nn.Module):  # type: ignore[misc]  # torch isn't there where types are checked
    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Linear(3, 8)
        self.norm = torch.nn.BatchNorm1d(8)
        self.head = torch.nn.Linear(8, 1)

    def forward(self, x: Any, *, scale: float = 1.0) -> Any:
        return self.head(torch.relu(self.norm(self.body(x)))) * scale


def rows(count: int = 24) -> Any:
    x = torch.randn(count, 3)
    return data.TensorDataset(x, x.sum(1, keepdim=True))


def loss_of(net: Any, batch: Any) -> Any:
    return (net(batch[0]) - batch[1]).square().mean()


def train(net: Any, optimizer: Any, loader: Any, epochs: int = 2) -> list[float]:
    """A loop as anyone writes it; returns the losses that it saw."""
    seen = []
    for _ in range(epochs):
        for batch in loader:
            optimizer.zero_grad()
            loss = loss_of(net, batch)
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
    return seen


def history(run: wh.Run, key: str) -> list[tuple[int, float]]:
    found = run.history(key)
    return list(zip(found.step.tolist(), found.value.tolist(), strict=True))


def only_run() -> wh.Run:
    (row,) = wh.open().runs()
    return wh.open().run(row["id"] if isinstance(row, dict) else row.id)


def numbered(values: list[float]) -> list[tuple[int, float]]:
    return list(enumerate(values, start=1))


def test_each_step_of_a_loop_is_recorded_as_it_saw_it() -> None:
    wh.autolog()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    loader = data.DataLoader(rows(), batch_size=8, shuffle=True)
    with wh.start_run("mine", params={"optimizer.lr": "as I said"}) as run:
        seen = train(net, optimizer, loader)
    assert history(run, "loss") == numbered(seen)
    assert history(run, "lr") == [(1, 0.1)]
    assert history(run, "epoch") == [(1, 0), (4, 1)]
    assert run.params["optimizer"] == "SGD"
    assert run.params["optimizer.lr"] == "as I said"
    assert run.params["fit1.optimizer.lr"] == 0.1
    assert run.params["optimizer.momentum"] == 0.9
    assert run.params["model"] == "Net"
    assert run.params["model.parameters"] == sum(each.numel() for each in net.parameters())
    assert run.params["torch.seed"] == 7
    assert run.params["train_loader.batch_size"] == 8
    assert run.params["train_loader.shuffle"] is True
    assert run.params["train_loader.dataset"] == "TensorDataset"
    assert run.params["train_loader.dataset_length"] == 24
    (fit,) = run.fits
    assert (fit["title"], fit["status"]) == ("Net", "finished")
    (text,) = [each for each in run.artifacts if each["name"] == "model.txt"]
    assert run.record.read_object(bytes.fromhex(text["digest"][7:])).decode() == repr(net)


def test_outside_of_a_run_the_first_step_begins_one() -> None:
    wh.autolog("torch")
    net = Net()
    seen = train(net, torch.optim.Adam(net.parameters()), data.DataLoader(rows(), batch_size=8))
    run = only_run()
    assert (run.title, run.status) == ("Net", "running")
    wh.autolog(False)
    run = only_run()
    assert run.status == "finished"
    assert history(run, "loss") == numbered(seen)


def test_without_a_step_nothing_is_begun() -> None:
    wh.autolog()
    net = Net()
    for batch in data.DataLoader(rows(), batch_size=8):
        loss_of(net, batch).backward()
    assert not list(wh.open().runs())


def test_parts_of_a_loss_that_are_accumulated_are_one_step() -> None:
    wh.autolog()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen: list[float] = []
    with wh.start_run() as run:
        for number, batch in enumerate(data.DataLoader(rows(), batch_size=4)):
            loss = loss_of(net, batch) / 3
            loss.backward()
            seen.append(loss.item())
            if number % 3 == 2:
                optimizer.step()
                optimizer.zero_grad()
    assert history(run, "loss") == numbered([sum(seen[:3]), sum(seen[3:])])


def test_two_optimizers_have_each_their_own_loss() -> None:
    wh.autolog()
    judge, maker = torch.nn.Linear(1, 1), torch.nn.Linear(3, 1)
    judges = torch.optim.SGD(judge.parameters(), lr=0.1)
    makers = torch.optim.Adam(maker.parameters(), lr=0.2)
    seen: dict[str, list[float]] = {"judge": [], "maker": []}
    with wh.start_run() as run:
        for x, y in data.DataLoader(rows(), batch_size=8):
            judges.zero_grad()
            true, false = judge(y).square().mean(), judge(maker(x).detach()).abs().mean()
            true.backward()
            false.backward()
            judges.step()
            seen["judge"].append(true.item() + false.item())
            makers.zero_grad()
            loss = judge(maker(x)).mean()
            loss.backward()
            makers.step()
            seen["maker"].append(loss.item())
    assert history(run, "loss") == numbered(seen["judge"])
    assert history(run, "optimizer2.loss") == numbered(seen["maker"])
    assert run.params["optimizer2"] == "Adam"
    assert (run.params["model.parameters"], run.params["model2.parameters"]) == (2, 4)
    assert [each["name"] for each in run.models] == ["Linear", "Linear"]


def test_a_loss_that_two_optimizers_share_is_told_once() -> None:
    wh.autolog()
    net = Net()
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (net.body, net.head)]
    with wh.start_run() as run:
        for batch in data.DataLoader(rows(), batch_size=8):
            loss_of(net, batch).backward()
            for optimizer in optimizers:
                optimizer.step()
    assert len(history(run, "loss")) == 3
    assert "optimizer2.loss" not in run.metrics
    assert run.params["model"] == "Net"  # the outermost of what owns a part
    assert "model2" not in run.params
    assert len(run.models) == 1


def test_a_step_that_asks_many_times_has_the_loss_that_it_returns() -> None:
    wh.autolog()
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=5)
    (batch,) = data.DataLoader(rows(), batch_size=24)
    asked, seen = 0, []

    def closure() -> Any:
        nonlocal asked
        asked += 1
        optimizer.zero_grad()
        loss = loss_of(net, batch)
        loss.backward()
        return loss

    with wh.start_run() as run:
        for number in range(4):
            loss = optimizer.step(closure) if number % 2 else optimizer.step(closure=closure)
            seen.append(loss.item())
    assert asked > 8
    assert history(run, "loss") == numbered(seen)


def test_a_scaled_loss_is_recorded_as_it_was_and_a_step_left_out_is_none() -> None:
    wh.autolog()
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    seen = []
    with wh.start_run() as run:
        for number, batch in enumerate(data.DataLoader(rows(), batch_size=4)):
            optimizer.zero_grad()
            loss = loss_of(net, batch) * (torch.inf if number == 2 else 1.0)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            if number != 2:
                seen.append((loss.item(), norm.item()))
    assert len(seen) == 5
    assert history(run, "loss") == numbered([loss for loss, _ in seen])
    assert history(run, "grad_norm") == numbered([norm for _, norm in seen])


def test_values_on_a_device_are_read_a_hundred_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from whence.integrations.autologging import torch_loop  # noqa: PLC0415 - needs PyTorch

    waited = []

    def waits(loop: Any) -> None:
        waited.append(len(loop._waiting))
        read_waiting(loop)

    wh.autolog()
    read_waiting = torch_loop.Loop.read_waiting
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    norms = []
    monkeypatch.setattr(torch_loop, "is_near", lambda tensor: False)
    with wh.start_run() as run:
        batches = list(data.DataLoader(rows(), batch_size=8))
        monkeypatch.setattr(torch_loop.Loop, "read_waiting", waits)
        for _ in range(130):
            optimizer.zero_grad()
            losses = [loss_of(net, batch) / 3 for batch in batches]
            for loss in losses:
                loss.backward()
                with torch.no_grad():
                    loss.zero_()  # what was kept is a copy, as what CUDA graphs write over would need
            norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            norms.append(norm.item())
            optimizer.step()
    assert waited == [100, 100, 60]
    assert [step for step, _ in history(run, "loss")] == list(range(1, 131))
    assert all(value > 0 for _, value in history(run, "loss"))
    assert history(run, "grad_norm") == numbered(norms)


def test_learning_rates_are_told_when_they_change() -> None:
    wh.autolog()
    net = Net()
    groups = [{"params": net.body.parameters()}, {"params": net.head.parameters(), "lr": 0.5}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 4], gamma=0.1)
    seen = []
    with wh.start_run() as run:
        for batch in data.DataLoader(rows(), batch_size=4):
            loss_of(net, batch).backward()
            seen.append(tuple(group["lr"] for group in optimizer.param_groups))
            optimizer.step()
            scheduler.step()
    assert history(run, "lr") == [(1, seen[0][0]), (3, seen[2][0]), (5, seen[4][0])]
    assert history(run, "lr.group1") == [(1, seen[0][1]), (3, seen[2][1]), (5, seen[4][1])]
    assert run.params["optimizer.groups"] == 2
    assert run.params["optimizer.group1.lr"] == 0.5
    assert run.params["scheduler"] == "MultiStepLR"
    assert run.params["scheduler.gamma"] == 0.1


@pytest.mark.parametrize("workers", [0, 2])
def test_passes_in_which_no_step_is_made_are_not_of_the_training(workers: int) -> None:
    wh.autolog()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    lasting = {"num_workers": workers, "persistent_workers": bool(workers)}
    loader = data.DataLoader(rows(), batch_size=8, shuffle=True, **lasting)
    held_out = data.DataLoader(rows(10), batch_size=5, **lasting)
    with wh.start_run() as run:
        for _ in range(3):
            net.train()
            train(net, optimizer, loader, epochs=1)
            net.eval()
            with torch.no_grad():
                for batch in held_out:
                    loss_of(net, batch)
    assert history(run, "epoch") == [(1, 0), (4, 1), (7, 2)]
    assert run.params["train_loader.dataset_length"] == 24
    assert run.params["train_loader.num_workers"] == workers
    assert run.params["eval_loader.dataset_length"] == 10
    assert run.params["eval_loader.shuffle"] is False
    assert not [key for key in run.params if key.startswith(("train_loader2", "eval_loader2"))]


@pytest.mark.filterwarnings("ignore")  # its own
@pytest.mark.parametrize("what", ["module", "in place", "step"])
def test_what_is_compiled_is_recorded_alike(what: str) -> None:
    torch._dynamo.reset()
    wh.autolog()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    used: Any = net
    if what == "module":
        used = torch.compile(net, backend="eager", fullgraph=True)
    if what == "in place":
        net.compile(backend="eager")

    def step(batch: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(used, batch)
        loss.backward()
        optimizer.step()
        return loss.detach()

    if what == "step":
        step = torch.compile(step, backend="eager")
    with wh.start_run() as run:
        seen = [step(batch).item() for batch in data.DataLoader(rows(), batch_size=4)]
    assert run.params["model"] == "Net"
    assert history(run, "loss") == numbered(seen)
    (model,) = run.models
    assert model["name"] == "Net"


def test_what_is_distributed_is_recorded_as_what_it_holds(tmp_path: pathlib.Path) -> None:
    distributed = torch.distributed
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        wh.autolog()
        net = Net()
        wrapped = torch.nn.parallel.DistributedDataParallel(net)
        optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
        with wh.start_run() as run:
            seen = train(wrapped, optimizer, data.DataLoader(rows(), batch_size=8))
    finally:
        distributed.destroy_process_group()
    assert history(run, "loss") == numbered(seen)
    assert run.params["model"] == "Net"
    check_weights(run, net.state_dict())


def check_weights(run: wh.Run, wanted: dict[str, Any]) -> None:
    """The one model of a run has these weights."""
    (model,) = run.models
    content = run.record.read_object(bytes.fromhex(model["digest"].removeprefix("sha256:")))
    assert model["format"] == "torch"  # safetensors isn't there
    found = torch.load(io.BytesIO(content), weights_only=True)
    assert list(found) == list(wanted)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_trained_weights_are_kept_when_the_run_ends() -> None:
    wh.autolog()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with wh.start_run() as run:
        train(net, optimizer, data.DataLoader(rows(), batch_size=8))
    check_weights(run, net.state_dict())
    (model,) = run.models
    assert model["metadata"]["model.parameters"] == run.params["model.parameters"]
    assert model["signature"] == {
        "inputs": [{"name": "x", "dtype": "float32", "shape": [8, 3]}],
        "outputs": [{"name": "0", "dtype": "float32", "shape": [8, 1]}],
    }


def test_a_model_that_goes_away_before_is_not_held_but_its_weights_are_kept() -> None:
    wh.autolog()

    def main() -> tuple[Any, Any]:
        net = Net()
        net.register_buffer("passing", torch.ones(2), persistent=False)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        train(net, optimizer, data.DataLoader(rows(), batch_size=8))
        net.to(torch.float64)  # puts other tensors in the same places
        wanted = {name: each.clone() for name, each in net.state_dict().items()}
        return weakref.ref(net), wanted

    with wh.start_run() as run:
        reference, wanted = main()
        gc.collect()
        assert reference() is None
    check_weights(run, wanted)


@pytest.mark.parametrize("goes_away", [False, True])
def test_weights_above_a_bound_are_only_described(goes_away: bool) -> None:
    wh.autolog(model_bytes=10)
    net: Any = Net()
    size = sum(each.nbytes for each in net.state_dict().values())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with wh.start_run() as run:
        train(net, optimizer, data.DataLoader(rows(), batch_size=8))
        if goes_away:
            net = None
            gc.collect()
    assert run.models == []
    assert run.fits[0]["models_left_out"] == f"Net: it has {size} bytes"


def test_models_are_not_kept_where_they_are_not_wanted() -> None:
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    wh.autolog(models=False)
    with wh.start_run() as run:
        train(net, optimizer, data.DataLoader(rows(), batch_size=8))
    assert run.models == []
    assert "models_left_out" not in run.fits[0]


def test_a_model_copied_or_pickled_between_steps_takes_nothing_of_ours_along() -> None:
    wh.autolog()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    (batch,) = data.DataLoader(rows(), batch_size=24)
    with wh.start_run():
        loss_of(net, batch).backward()
        optimizer.step()
        content = pickle.dumps((net, optimizer))
        copied = copy.deepcopy(net)
        loaded, _ = pickle.loads(content)
        for each in (net, copied, loaded):
            each(batch[0])
    assert b"whence" not in content
    assert not net._forward_hooks
    assert torch.equal(loaded(batch[0]), copied(batch[0]))


def test_two_loops_of_one_run_are_told_apart() -> None:
    wh.autolog()
    seen = []
    with wh.start_run() as run:
        for kind in (torch.optim.SGD, torch.optim.Adam):
            net = Net()
            seen.append(train(net, kind(net.parameters(), lr=0.1), data.DataLoader(rows(), batch_size=8)))
    assert history(run, "loss") == numbered(seen[0])
    assert history(run, "optimizer2.loss") == numbered(seen[1])
    assert len(run.models) == 2


def test_each_run_has_the_steps_that_were_made_in_it() -> None:
    wh.autolog()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loader = data.DataLoader(rows(), batch_size=8)
    for _ in range(2):
        with wh.start_run() as run:
            seen = train(net, optimizer, loader)
        assert history(run, "loss") == numbered(seen)
        assert run.params["model"] == "Net"
        check_weights(run, net.state_dict())


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_was_trained_before_an_error_is_kept(error: type[BaseException]) -> None:
    wh.autolog()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seen: list[float] = []

    def fails() -> None:
        with run:
            seen.extend(train(net, optimizer, data.DataLoader(rows(), batch_size=8)))
            raise error

    run = wh.start_run()
    with pytest.raises(error):
        fails()
    assert run.status == "failed"
    assert history(run, "loss") == numbered(seen)
    assert (run.fits[0]["status"], run.fits[0]["error"]) == ("failed", error.__name__)
    check_weights(run, net.state_dict())


def places() -> list[Any]:
    loading = torch.utils.data.dataloader
    stepping = importlib.import_module("torch.optim.optimizer")
    return [
        torch.autograd.backward,
        torch.nn.utils.clip_grad_norm_,
        torch.nn.utils.clip_grad.clip_grad_norm_,
        torch.amp.GradScaler.scale,
        torch.amp.GradScaler.update,
        loading._BaseDataLoaderIter.__init__,
        loading._MultiProcessingDataLoaderIter._reset,
        dict(stepping._global_optimizer_pre_hooks),
        dict(stepping._global_optimizer_post_hooks),
    ]


def test_off_means_off() -> None:
    before = places()
    for _ in range(2):
        wh.autolog()
        assert all(now != then for now, then in zip(places(), before, strict=True))
        wh.autolog(False)
        assert all(now == then for now, then in zip(places(), before, strict=True))
    net = Net()
    with wh.start_run() as run:
        train(net, torch.optim.SGD(net.parameters(), lr=0.1), data.DataLoader(rows(), batch_size=8))
    assert (run.metrics, run.fits, run.models) == ({}, [], [])


def test_the_same_is_trained_with_it_and_without() -> None:
    def trained() -> tuple[list[float], Any]:
        torch.manual_seed(3)
        net = Net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        return train(net, optimizer, data.DataLoader(rows(), batch_size=8, shuffle=True)), net.state_dict()

    plain, weights = trained()
    wh.autolog()
    recorded, same = trained()
    assert recorded == plain
    assert all(torch.equal(weights[name], same[name]) for name in weights)


def test_a_record_that_cannot_be_written_stops_no_training(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("here is no room for a workspace")
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "file" / "home"))
    wh.autolog()
    net = Net()
    with pytest.warns(RecordWarning) as told:
        seen = train(net, torch.optim.SGD(net.parameters(), lr=0.1), data.DataLoader(rows(), batch_size=8))
    assert len(seen) == 6
    assert len(told) == 1


def test_hooks_of_ours_that_fail_stop_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    from whence.integrations.autologging import torch_loop  # noqa: PLC0415 - needs PyTorch

    def fails(*_: Any) -> Any:
        raise RuntimeError("of ours")

    wh.autolog()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for owner, name in ((torch_loop, "read"), (torch_loop.Loop, "meet"), (torch_loop.Loop, "stepped")):
        wh.autolog(False)  # or the second error of a kind wouldn't be told
        wh.autolog()
        with monkeypatch.context() as patched, wh.start_run() as run:
            patched.setattr(owner, name, fails)
            with pytest.warns(RecordWarning):
                seen = train(net, optimizer, data.DataLoader(rows(), batch_size=8))
        assert len(seen) == 6
        assert run.status == "finished"


def test_threads_have_each_their_own_losses() -> None:
    wh.autolog()
    seen: dict[int, list[float]] = {}
    turn = threading.Barrier(2)

    def work(number: int) -> None:
        net = Net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1 * number)
        found = seen[number] = []
        for batch in data.DataLoader(rows(), batch_size=4):
            loss = loss_of(net, batch)
            turn.wait()
            loss.backward()
            turn.wait()
            optimizer.step()
            found.append(loss.item())

    with wh.start_run() as run:
        threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    recorded = [history(run, "loss"), history(run, "optimizer2.loss")]
    assert sorted(recorded) == sorted(numbered(each) for each in seen.values())


def test_one_who_makes_an_optimizer_for_each_step_is_not_held_up() -> None:
    wh.autolog()
    net = Net()
    with wh.start_run() as run:
        for batch in data.DataLoader(rows(60), batch_size=2):
            loss_of(net, batch).backward()
            torch.optim.SGD(net.parameters(), lr=0.1).step()
    assert "optimizer16" in run.params
    assert "optimizer17" not in run.params
    assert run.fits[0]["optimizers_left_out"]
    assert len(run.models) == 1


def test_tensors_that_no_module_owns_are_trained_all_the_same() -> None:
    wh.autolog()
    weights = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.1)
    with wh.start_run() as run:
        for x, y in data.DataLoader(rows(), batch_size=8):
            (x @ weights - y[:, 0]).square().mean().backward()
            optimizer.step()
    assert len(history(run, "loss")) == 3
    assert "model" not in run.params
    assert run.fits[0]["title"] == "SGD"


def test_what_a_loader_over_a_stream_hands_out_before_the_first_step_is_in_the_run() -> None:
    wh.autolog()
    columns = {"x": np.random.default_rng(0).random((24, 3), np.float32)}
    stream = wh.from_arrays(name="rows", **columns).shuffle(seed=1)
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for batch in data.DataLoader(stream.to_torch(), batch_size=8):
        net(batch["x"]).square().mean().backward()
        optimizer.step()
    wh.autolog(False)
    run = only_run()
    assert len(list(run.exposures())) == 24
    assert len(history(run, "loss")) == 3
    assert run.params["train_loader.batch_size"] == 8
    assert history(run, "epoch") == [(1, 0)]


def test_other_losses_than_numbers_are_left_out() -> None:
    wh.autolog()
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with warnings.catch_warnings(), wh.start_run() as run:
        warnings.simplefilter("error")
        for x, _ in data.DataLoader(rows(), batch_size=8):
            made = net(x)
            made.backward(torch.ones_like(made))
            optimizer.step()
            loss, other = net(x).mean(), net(x).square().mean()
            torch.autograd.backward([loss, other])
            optimizer.step()
    assert [step for step, _ in history(run, "loss")] == [2, 4, 6]
    assert history(run, "loss")[-1][1] == loss.item() + other.item()
