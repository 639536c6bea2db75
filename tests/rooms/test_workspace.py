"""The workspace: runs and models found by any of their names, and questions over all of them."""

from __future__ import annotations

import pathlib
import shutil
import threading

import pytest

import whence as wh
from whence.errors import InputError, NotFoundError


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> wh.Workspace:
    for title in ("a", "b", "c"):
        with wh.start_run(title, params={"title": title}, workspace=tmp_path) as run:
            run.log_metric("loss", 0.5)
            run.log_metric("bad", float("nan"))
            run.log_model("m", title.encode())
            wh.from_items([1, 2, 3], name="items").batch(2).collect()
    return wh.open(tmp_path)


def test_a_run_is_found_by_name_id_and_the_beginning_of_its_id(workspace: wh.Workspace) -> None:
    newest = workspace.runs()[0]
    assert newest.title == "c"
    assert workspace.run().id == newest.id
    assert workspace.run(newest.name).id == newest.id
    assert workspace.run(newest.id).id == newest.id
    assert workspace.run(newest.id.lower()[:25]).id == newest.id


@pytest.mark.parametrize("name", ["nobody", "", "01", "../../etc", "x" * 10_000])
def test_an_unknown_run_is_not_found_and_the_newest_are_named(workspace: wh.Workspace, name: str) -> None:
    with pytest.raises(NotFoundError, match="no run") as caught:
        workspace.run(name)
    assert workspace.run().name in caught.value.remedy
    assert len(str(caught.value)) < 1_000


def test_the_beginning_of_several_ids_is_not_guessed(workspace: wh.Workspace) -> None:
    first = workspace.run().id
    twin = first[:-1] + ("1" if first[-1] == "0" else "0")
    runs = workspace.path / "runs"
    shutil.copytree(runs / first, runs / twin)
    with pytest.raises(NotFoundError, match="names 2 runs") as caught:
        workspace.run(first[:-1])
    assert twin in caught.value.message


def test_runs_are_summarised_newest_first_as_json(workspace: wh.Workspace) -> None:
    summaries = workspace.summaries()
    assert [summary["title"] for summary in summaries] == ["c", "b", "a"]
    first = summaries[0]
    assert set(first) >= {
        "id",
        "name",
        "title",
        "status",
        "started_at",
        "ended_at",
        "params",
        "metrics",
        "tags",
    }
    assert first["status"] == "finished"
    assert first["metrics"] == {"loss": 0.5, "bad": None}
    assert first["params"] == {"title": "c"}
    assert first["started_at"].endswith("+00:00")
    assert first["ended_at"] >= first["started_at"]


def test_models_are_versions_of_a_name_over_all_runs(workspace: wh.Workspace) -> None:
    assert [(model.version, model.load_bytes()) for model in workspace.models("m")] == [
        (1, b"a"),
        (2, b"b"),
        (3, b"c"),
    ]
    assert workspace.model("m").version == workspace.model("m@latest").version == 3
    assert workspace.model("m@2").run.title == "b"
    for reference, remedy in (
        ("m@9", "1 to 3"),
        ("x", "There are: m."),
        ("m@two", "whence alias"),
        ("@1", "There are: m."),
    ):
        with pytest.raises(NotFoundError) as caught:
            workspace.model(reference)
        assert remedy in caught.value.remedy


def test_addresses_lead_to_answers(workspace: wh.Workspace) -> None:
    name = workspace.run().name
    trace = workspace.trace(f"{name}@0:1.0")
    assert [(origin.source, origin.row) for origin in trace.origins] == [("items", 2)]
    assert trace.to_json()["address"] == f"{name}@0:1.0"
    assert workspace.impact("items:2").count == 3
    with pytest.raises(InputError):
        workspace.trace("not an address")
    with pytest.raises(NotFoundError):
        workspace.trace("nobody@0:1")


def test_an_empty_workspace_answers_and_makes_nothing(tmp_path: pathlib.Path) -> None:
    workspace = wh.open(tmp_path)
    assert not workspace.exists
    assert (workspace.runs(), workspace.summaries(), workspace.models()) == ([], [], [])
    with pytest.raises(NotFoundError, match="no runs") as caught:
        workspace.run()
    assert "wh.start_run" in caught.value.remedy
    assert workspace.impact("a").absent
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_answers_in_any_thread(workspace: wh.Workspace) -> None:
    found: list[int] = []
    workspace.summaries()
    thread = threading.Thread(target=lambda: found.append(len(workspace.summaries())))
    thread.start()
    thread.join()
    assert found == [3]


def test_a_run_begun_in_a_workspace_is_found_by_that_workspace(workspace: wh.Workspace) -> None:
    before = len(workspace.summaries())
    with wh.start_run("d", workspace=workspace) as run:
        assert workspace.run().id == run.id
        assert workspace.summaries()[0]["status"] == "running"
    assert len(workspace.summaries()) == before + 1
    assert workspace.summaries()[0]["status"] == "finished"


def test_a_folder_of_runs_copied_into_another_workspace_is_part_of_it(
    workspace: wh.Workspace, tmp_path: pathlib.Path
) -> None:
    with wh.start_run("elsewhere", workspace=tmp_path / "other") as run:
        run.log_model("m", bytes(100))
    (tmp_path / "other" / ".whence" / "runs" / run.id).rename(workspace.path / "runs" / run.id)
    assert workspace.run(run.id).title == "elsewhere"
    assert workspace.model("m").load_bytes() == bytes(100)
    assert [model.version for model in workspace.models("m")] == [1, 2, 3, 1]
    with pytest.raises(NotFoundError, match="names 2 models") as caught:  # each was m@1 where it was logged
        workspace.model("m@1")
    assert run.id in caught.value.remedy
    assert workspace.model(f"{run.id}/m@1").load_bytes() == bytes(100)
    assert workspace.verify().holds
