"""PyTorch's global generator: who draws from it is named, and with `seed_foreign` it is each sample's own."""

from __future__ import annotations

import pathlib

import pytest

import whence as wh

torch = pytest.importorskip("torch", reason="run by `make test-neighbours`")


def noisy(line: str) -> float:
    return float(line) + float(torch.randn(1))


def plain(line: str) -> float:
    return float(line)


@pytest.fixture
def numbers(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "n.txt").write_text("1\n" * 40)
    return tmp_path / "n.txt"


def test_whoever_draws_is_named(numbers: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run, pytest.warns(UserWarning, match="'noisy' draws from torch"):
        list(wh.from_text(numbers).map(noisy))
    assert [event.public["generators"] for event in run.record.journal.find("drew")] == [["torch"]]
    with wh.start_run(workspace=tmp_path) as run:
        for _ in wh.from_text(numbers).map(plain):
            torch.rand(1)
    assert run.record.journal.find("drew") == []


@pytest.mark.parametrize("workers", [0, 2])
def test_seeded_it_is_made_again(numbers: pathlib.Path, tmp_path: pathlib.Path, workers: int) -> None:
    stream = wh.from_text(numbers, name="n").map(noisy, seed_foreign=True)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    with wh.start_run(workspace=tmp_path) as run:
        first, second = list(stream.with_workers(workers).epoch(0)), list(stream.epoch(1))
    assert torch.equal(torch.get_rng_state(), state)
    assert len({*first, *second}) == 80
    assert run.record.journal.find("drew") == []
    assert [run.replay(0, item=item) for item in range(40)] == first
