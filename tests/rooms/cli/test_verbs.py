"""Each verb answers in text and in JSON, from one value."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys

import pytest

from tests.rooms.cli.commands import Place, ask, environment_of, whence
from whence.cli import main

DIES = """
import os, signal
import whence as wh

def is_even(value):
    return value % 2 == 0

wh.start_run("dies")
for count, _ in enumerate(wh.from_items(list(range(1000))).filter(is_even, reason="odd")):
    if count == 100:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_runs_are_listed_newest_first(place: Place) -> None:
    done = place.ask("runs")
    assert done.code == 0
    positions = [done.out.index(name) for name in reversed(place.names)]
    assert positions == sorted(positions)
    assert "failed" in done.out
    assert "second try" in done.out


def test_runs_give_what_programs_were_promised(place: Place) -> None:
    value = place.ask("runs", "--json").value
    assert value["next"] is None
    assert [run["name"] for run in value["runs"]] == list(reversed(place.names))
    for run in value["runs"]:
        promised = {"id", "name", "title", "status", "started_at", "ended_at", "params", "metrics", "tags"}
        assert promised <= set(run)
    assert value["runs"][1]["params"] == {"lr": 0.2}
    assert value["runs"][1]["tags"] == {"fold": "1"}


def test_runs_go_on_where_a_list_ended(place: Place) -> None:
    seen: list[str] = []
    cursor: list[str] = []
    for left in (2, 1, 0):
        value = place.ask("runs", "--json", "--limit", "1", *cursor).value
        seen += [run["name"] for run in value["runs"]]
        assert (value["next"] is not None) == bool(left)
        cursor = ["--after", str(value["next"])]
    assert seen == list(reversed(place.names))


def test_runs_are_chosen_by_a_condition(place: Place) -> None:
    condition = "metrics.loss < 0.22 and params.lr = 0.2 and tags.fold = 1"
    value = place.ask("runs", "--json", "--where", condition).value
    assert [run["title"] for run in value["runs"]] == ["second try"]
    assert place.ask("runs", "--where", "status = lost").out.startswith("No run matches")


def test_a_wrong_condition_is_pointed_at(place: Place) -> None:
    done = place.ask("runs", "--where", "metrics.loss << 3")
    assert done.code == 2
    lines = done.err.splitlines()
    assert lines[1].index("metrics.loss << 3") + len("metrics.loss <") == lines[2].index("^")


def test_status_counts_the_runs(place: Place) -> None:
    value = place.ask("status", "--json").value
    assert value["runs"] == {"total": 3, "by_status": {"failed": 1, "finished": 2}}
    assert value["bytes"] > 0
    assert pathlib.Path(value["workspace"]) == (place.folder / ".whence").resolve()
    text = place.ask("status").out
    assert "2 finished" in text
    assert place.names[-1] in text


def test_status_of_an_empty_place_says_what_to_do(tmp_path: pathlib.Path) -> None:
    done = ask("status", cwd=tmp_path)
    assert done.code == 0
    assert "whence demo" in done.out
    assert ask("status", "--json", cwd=tmp_path).value["exists"] is False
    assert not (tmp_path / ".whence").exists()


def test_a_run_is_shown_in_full(place: Place) -> None:
    done = place.ask("show", place.names[0])
    assert done.code == 0
    for part in ("first try", "lr=0.1", "loss", "▁", "filter is_even", "odd", "net", "words.txt", "train.py"):
        assert part in done.out
    value = place.ask("show", place.names[0], "--json").value
    drops = {drop["op"]: drop["count"] for drop in value["drops"]}
    # 13 stands in three files of 120, two passes; of the rest 60 are even, and those repeat 25 values
    assert drops == {"load": 2 * 3, "is_even": 2 * 57, "dedup(v)": 2 * 35}
    assert {"history", "streams", "models", "artifacts", "environment", "totals"} <= set(value)


def test_shares_of_time_add_up(place: Place) -> None:
    (stream,) = place.ask("show", place.names[0], "--json").value["streams"]
    shares = [step["time_share"] for step in stream["steps"] if step["time_share"] is not None]
    assert sum(shares) == pytest.approx(1)
    assert stream["steps"][0]["out"] == 240


def test_a_failed_run_shows_how(place: Place) -> None:
    assert "RuntimeError: boom" in place.ask("show").out  # the newest one


def test_a_run_that_died_shows_how_far_it_came(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "dies.py"
    script.write_text(DIES)
    died = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment_of(), check=False)
    assert died.returncode == -signal.SIGKILL
    text = ask("show", cwd=tmp_path).out
    for part in ("lost", "101 delivered", "1 not read to the end", "odd"):
        assert part in text
    name = ask("show", "--json", cwd=tmp_path).value["name"]
    assert "In flight" in ask("trace", f"{name}@0:100", cwd=tmp_path).out
    assert ask("trace", f"{name}@0:101", cwd=tmp_path).code == 3
    assert "its process died" in ask("verify", cwd=tmp_path).out


def test_a_model_is_shown_with_the_run_that_made_it(place: Place) -> None:
    value = place.ask("show", "net@1", "--json").value
    assert (value["kind"], value["version"], value["versions"]) == ("model", 1, 2)
    assert value["run"]["name"] == place.names[0]
    text = place.ask("show", "net").out
    assert "net@2" in text
    assert place.names[1] in text


def test_a_trace_ends_at_the_file(place: Place) -> None:
    address = f"{place.names[0]}@1:1.2"
    value = place.ask("trace", address, "--json").value
    assert {"address", "origins", "steps", "complete"} <= set(value)
    (origin,) = value["origins"]
    assert set(origin) == {"source", "row", "path", "digest"}
    assert origin["path"].startswith("data/")
    assert [step["op"] for step in value["steps"]] == [
        "load", "is_even", "dedup(v)", "dim", "turn", "shuffle(7)",
    ]  # fmt: skip
    assert isinstance(value["steps"][4]["random"]["flip"], bool)
    text = place.ask("trace", address).out
    for part in (address, origin["path"], "flip=", "sha256:", "most=2"):
        assert part in text


def test_a_batch_traces_to_many_rows(place: Place) -> None:
    done = place.ask("trace", f"{place.names[0]}@0:0")
    assert done.out.count("data/f") >= 8


def test_an_impact_lists_deliveries(place: Place) -> None:
    value = place.ask("impact", "data/f014.txt", "--json").value
    promised = {"origin", "count", "exposures", "drops", "models", "datasets", "absent"}
    assert promised <= set(value)
    assert (value["count"], value["absent"], value["models"]) == (4, False, ["net"])
    assert all({"run", "epoch", "batch", "item"} <= set(each) for each in value["exposures"])
    text = place.ask("impact", "f014.txt").out
    assert "4 deliveries in 2 runs" in text


@pytest.mark.parametrize(
    ("file", "op", "said"),
    [
        ("data/f013.txt", "load", "ValueError: unlucky"),
        ("data/f015.txt", "is_even", "odd"),
        ("data/f064.txt", "dedup(v)", "repeats data/f014.txt"),
    ],
)
def test_an_impact_says_why_a_file_was_dropped(place: Place, file: str, op: str, said: str) -> None:
    value = place.ask("impact", file, "--json").value
    assert (value["count"], value["absent"]) == (0, True)
    assert {drop["op"] for drop in value["drops"]} == {op}
    text = place.ask("impact", file).out
    assert said in text
    assert "nothing made of it was delivered" in text


def test_an_impact_of_what_nobody_read_says_so(place: Place) -> None:
    done = place.ask("impact", "elsewhere.txt")
    assert done.code == 0
    assert "no run in this workspace read it" in done.out


def test_a_limit_bounds_the_lists_and_never_the_count(place: Place) -> None:
    value = place.ask("impact", "digits", "--limit", "1", "--json").value
    assert (value["count"], len(value["exposures"]), len(value["drops"])) == (100, 1, 1)


def test_rows_of_a_source_are_asked_for(place: Place) -> None:
    value = place.ask("impact", "digits", "--rows", "13-14,16", "--json").value
    assert (value["count"], len(value["origins"])) == (8, 3)


def test_verify_lists_what_was_checked(place: Place) -> None:
    done = place.ask("verify")
    assert done.code == 0
    for part in ("The record holds", "3  runs", "events", "frames", "objects"):
        assert part in done.out
    value = place.ask("verify", "--json").value
    assert value["holds"] is True
    assert value["findings"] == []
    assert value["checked"]["runs"] == 3


def test_verify_names_the_damage(own_place: Place) -> None:
    journal = next((own_place.folder / ".whence" / "runs").glob("*/journal"))
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    done = own_place.ask("verify")
    assert done.code == 1
    assert "doesn't hold" in done.out
    assert str(journal) in done.out
    value = own_place.ask("verify", "--json").value
    assert value["holds"] is False
    assert all({"where", "problem"} <= set(finding) for finding in value["findings"])


def test_nothing_is_verified_vacuously(tmp_path: pathlib.Path) -> None:
    assert ask("verify", cwd=tmp_path).code == 1


def test_init_makes_the_workspace_once(tmp_path: pathlib.Path) -> None:
    assert ask("init", "--json", cwd=tmp_path).value == {
        "workspace": str(tmp_path / ".whence"),
        "created": True,
    }
    assert (tmp_path / ".whence" / "format").exists()
    assert "already there" in ask("init", cwd=tmp_path).out


def test_doctor_checks_the_surroundings(place: Place) -> None:
    value = place.ask("doctor", "--json").value
    names = {check["name"] for check in value["checks"]}
    assert {"python", "numpy", "images", "folder", "writable", "free disk", "sqlite", "git"} <= names
    assert value["usable"] is True
    assert "whence can work here" in place.ask("doctor").out


def test_doctor_refuses_a_workspace_of_a_newer_whence(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".whence").mkdir()
    (tmp_path / ".whence" / "format").write_text('{"format":99}')
    done = ask("doctor", cwd=tmp_path)
    assert done.code == 4
    assert "pip install --upgrade whence" in done.out


def test_doctor_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    ask("doctor", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_questions_work_from_another_folder(place: Place, tmp_path: pathlib.Path) -> None:
    store = str(place.folder)
    for arguments in (["trace", f"{place.names[0]}@0:0.0"], ["impact", "data/f014.txt"], ["show"]):
        here = place.ask(*arguments, "--json").value
        assert whence(*arguments, "--json", "-w", store, cwd=tmp_path).value == here
        assert whence("-w", store, "--json", *arguments, cwd=tmp_path).value == here
        assert whence(*arguments, "--json", cwd=tmp_path, WHENCE_HOME=store).value == here


def test_a_run_is_written_as_a_page(place: Place, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "page.html"
    value = place.ask("report", place.names[0], "--out", str(path), "--json").value
    assert value == {"runs": [place.names[0]], "path": str(path), "bytes": path.stat().st_size}
    assert "first try" in path.read_text()


def test_a_page_that_cannot_be_written_is_an_input_error(place: Place, tmp_path: pathlib.Path) -> None:
    done = place.ask("report", place.names[0], "--out", str(tmp_path / "no" / "page.html"))
    assert done.code in (2, 3, 4)
    assert "page.html" in done.err
    assert "Traceback" not in done.err


def test_main_answers_in_the_calling_process(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--json", "-w", str(place.folder)]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 3
