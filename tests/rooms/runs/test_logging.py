"""What is logged in a run is read back as it was given, and what can't be is refused with a remedy."""

from __future__ import annotations

import decimal
import math
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import whence as wh
from whence.errors import InputError, NotFoundError, PlanError, SourceError
from whence.vocab import digest_bytes, digest_text


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Iterator[wh.Run]:
    with wh.start_run("my run", workspace=tmp_path) as run:
        yield run


def test_parameters_and_tags_are_read_as_they_were_given(tmp_path: pathlib.Path) -> None:
    params = {"lr": 0.1, "layers": [1, 2], "opt": {"name": "adam"}, "on": True, "off": None}
    with wh.start_run("t", params=params, tags={"team": "a"}, workspace=tmp_path) as run:
        run.log_param("lr", 0.2)
        run.log_params({"seed": 7})
        run.set_tag("team", "b")
        run.set_tags({"state": "draft"})
    again = wh.open(tmp_path).run()
    assert again.params == params | {"lr": 0.2, "seed": 7}
    assert again.tags == {"team": "b", "state": "draft"}
    assert (again.title, again.status) == ("t", "finished")


def test_parameters_that_json_lacks_are_tagged_and_unknown_ones_said_to_be(run: wh.Run) -> None:
    class Model:
        pass

    run.log_params({"scale": np.float32(0.5), "size": (1, 2), "inf": math.inf, "model": Model(), "": 1})
    assert run.params["scale"] == 0.5
    assert run.params["size"] == {"$tuple": [1, 2]}
    assert run.params["inf"] == {"$float": "inf"}
    assert "$unknown" in run.params["model"]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1, 1.0),
        (True, 1.0),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.array(2.0), 2.0),
        (decimal.Decimal("0.5"), 0.5),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (-0.0, -0.0),
    ],
)
def test_anything_that_is_a_number_is_a_metric(run: wh.Run, value: Any, kept: float) -> None:
    run.log_metric("x", value)
    assert str(run.metrics["x"]) == str(kept)


def test_a_metric_that_is_not_a_number_any_more_is_kept_as_nan(run: wh.Run) -> None:
    run.log_metric("loss", np.float32("nan"))
    assert math.isnan(run.metrics["loss"])
    assert math.isnan(run.history("loss").value[0])


@pytest.mark.parametrize("value", ["high", None, [1], 1j, {}, np.array([1, 2]), 10**400])
def test_a_metric_that_is_no_number_is_refused_by_name(run: wh.Run, value: Any) -> None:
    with pytest.raises(InputError, match="'x'") as caught:
        run.log_metrics({"good": 1, "x": value})
    assert "params, tags or notes" in caught.value.remedy
    assert run.metrics == {}


@pytest.mark.parametrize("step", ["a", 1.5, 2**63, -(2**63) - 1])
def test_a_step_that_is_no_integer_of_64_bits_is_refused(run: wh.Run, step: Any) -> None:
    with pytest.raises(InputError, match="step"):
        run.log_metric("x", 1, step=step)


def test_a_step_may_be_a_numpy_integer_and_less_than_zero(run: wh.Run) -> None:
    run.log_metric("x", 1, step=int(np.int64(-4)))
    run.log_metric("x", 1, step=np.arange(3)[2])
    assert run.history("x").step.tolist() == [-4, 2]


def test_steps_count_the_batches_delivered_unless_they_are_given(run: wh.Run) -> None:
    stream = wh.from_items(list(range(10))).batch(4)
    run.log_metric("loss", 9.0)
    for _ in range(2):
        for _ in stream:
            run.log_metrics({"loss": 1.0, "other": 2.0})
    run.log_metric("loss", 0.5, step=100)
    run.log_metric("loss", 0.25)
    assert run.history("loss").step.tolist() == [0, 1, 2, 3, 4, 5, 6, 100, 6]
    assert run.history("loss").value.tolist() == [9.0, 1, 1, 1, 1, 1, 1, 0.5, 0.25]
    assert (np.diff(run.history("loss").at) >= 0).all()


def test_an_unknown_metric_names_those_there_are(run: wh.Run) -> None:
    run.log_metric("loss", 1)
    with pytest.raises(NotFoundError, match="no metric 'acc'") as caught:
        run.history("acc")
    assert "loss" in caught.value.remedy


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 300_000])
def test_models_and_artifacts_of_any_size_come_back(tmp_path: pathlib.Path, run: wh.Run, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "weights.bin").write_bytes(data)
    digest = digest_text(digest_bytes(data))
    assert run.log_model("m", data, metadata={"epochs": 3}) == digest
    assert run.log_model("m", tmp_path / "weights.bin") == digest
    assert run.log_artifact(tmp_path / "weights.bin") == digest
    assert run.log_artifact(str(tmp_path / "weights.bin"), name="other.json") == digest
    workspace = wh.open(tmp_path)
    assert [model.version for model in workspace.models("m")] == [1, 2]
    assert workspace.model("m").load_bytes() == data
    assert workspace.model("m@1").metadata == {"epochs": 3}
    assert (workspace.model("m@latest").version, workspace.model("m@2").size_bytes) == (2, size)
    assert run.read_artifact("weights.bin") == data
    assert [(body["name"], body["media_type"]) for body in run.artifacts] == [
        ("weights.bin", "application/octet-stream"),
        ("other.json", "application/json"),
    ]
    assert workspace.verify().checked["objects"] == 4


def test_values_texts_and_figures_are_kept_as_files(run: wh.Run) -> None:
    run.log_dict({"a": [1, math.nan], 2: (3,)}, "d.json")
    run.log_text("grüße \udcff", "t.txt")
    run.log_figure(Image.new("L", (2, 2)), "f.png")
    run.log_note("a note \udcff")
    assert b'"$float"' in run.read_artifact("d.json")
    assert run.read_artifact("t.txt").startswith("grüße ".encode())
    assert run.read_artifact("f.png").startswith(b"\x89PNG")
    assert run.notes == ["a note \\udcff"]
    with pytest.raises(NotFoundError, match="no artifact") as caught:
        run.read_artifact("nothing")
    assert "d.json" in caught.value.remedy


MISTAKES: list[tuple[Callable[[wh.Run], object], type[Exception], str]] = [
    (lambda run: run.log_params([1]), InputError, "params"),  # type: ignore[arg-type]
    (lambda run: run.log_params("lr"), InputError, "params"),  # type: ignore[arg-type]
    (lambda run: run.set_tags(None), InputError, "tags"),  # type: ignore[arg-type]
    (lambda run: run.log_metrics(3), InputError, "log_metrics"),  # type: ignore[arg-type]
    (lambda run: run.log_model("m", b"", metadata=3), InputError, "metadata"),  # type: ignore[arg-type]
    (lambda run: run.log_model("m", 3), InputError, "bytes or the path"),  # type: ignore[arg-type]
    (lambda run: run.log_model("a/b", b""), PlanError, "a/b"),
    (lambda run: run.log_model("a@1", b""), PlanError, "a@1"),
    (lambda run: run.log_model("", b""), PlanError, "without"),
    (lambda run: run.log_model("m", "nothing here"), SourceError, "nothing here"),
    (lambda run: run.log_artifact("nothing here"), SourceError, "nothing here"),
    (lambda run: run.log_artifact("/"), SourceError, "directory"),
    (lambda run: run.log_figure(3, "f"), InputError, "log_figure"),
    (lambda run: run.finish("lost"), InputError, "'lost'"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("mistake", "kind", "said"), MISTAKES)
def test_a_mistake_is_named_with_its_remedy_and_leaves_no_trace(
    run: wh.Run, mistake: Callable[[wh.Run], object], kind: type[InputError], said: str
) -> None:
    before = len(run.record.journal.events)
    with pytest.raises(kind, match=said) as caught:
        mistake(run)
    assert caught.value.remedy
    assert caught.value.exit_code == 2
    assert len(run.record.journal.events) == before
    assert run.status == "running"


def test_a_run_begun_with_wrong_parameters_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError):
        wh.start_run("t", params=[1], workspace=tmp_path)  # type: ignore[arg-type]
    assert wh.open(tmp_path).runs() == []
    assert wh.open(tmp_path).summaries() == []


ATTEMPTS: list[Callable[[wh.Run], object]] = [
    lambda run: run.log_param("a", 1),
    lambda run: run.log_metric("a", 1),
    lambda run: run.set_tag("a", 1),
    lambda run: run.log_note("a"),
    lambda run: run.log_text("a", "b"),
    lambda run: run.log_model("a", b"b"),
]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_nothing_is_logged_after_the_end_nor_from_elsewhere(
    tmp_path: pathlib.Path, attempt: Callable[[wh.Run], object]
) -> None:
    run = wh.start_run("t", workspace=tmp_path)
    elsewhere = wh.open(tmp_path).run(run.id)
    with pytest.raises(InputError, match="another process"):
        attempt(elsewhere)
    run.finish()
    with pytest.raises(InputError, match="has ended") as caught:
        attempt(run)
    assert "new run" in caught.value.remedy
    kinds = [event.kind for event in run.record.journal.events if event.kind != "libraries"]
    assert kinds == ["run_start", "environment", "reach", "run_end"]
