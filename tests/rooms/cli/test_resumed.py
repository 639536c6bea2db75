"""A run that was gone on with, on the command line: one run, one pass, and what was delivered twice."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys

from tests.rooms.cli.commands import ask, environment_of

SCRIPT = """
import json, os, pathlib, signal
import whence as wh

rows = wh.from_jsonl("rows.jsonl", name="rows").filter(lambda row: row["n"] % 3, reason="third").batch(10)
saved = pathlib.Path("saved.json")
if saved.exists():
    state = json.loads(saved.read_text())
    with wh.start_run(resume=state["name"]) as run:
        for batch in rows.resume(state["state"]):
            run.log_metric("sum", batch["n"].sum())
else:
    with wh.start_run("first") as run:
        samples = iter(rows.epoch(0))
        for number, batch in enumerate(samples):
            run.log_metric("sum", batch["n"].sum())
            if number == 4:
                saved.write_text(json.dumps({"name": run.name, "state": samples.state()}))
            if number == 7:
                os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_was_gone_on_with_is_shown_as_one(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"n": number}) + "\n" for number in range(300)))
    for code in (-signal.SIGKILL, 0):
        done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment_of(), check=False)
        assert done.returncode == code
    shown = ask("show", "--json", cwd=tmp_path).value
    (stream,) = shown["streams"]
    assert shown["status"] == "finished"
    assert stream["passes"] == [
        {"epoch": 0, "repeat": 0, "first": 0, "delivered": 20, "resumed_at": [5], "complete": True}
    ]
    assert shown["drops"] == [{"stream": "stream", "op": "lambda", "reason": "third", "count": 100}]
    assert "resumed 1 time" in ask("show", cwd=tmp_path).out
    assert ask("verify", "--json", cwd=tmp_path).value["holds"]
    # row 100 is in batch 6, which came before the kill and after the checkpoint
    impact = ask("impact", "rows:100", "--json", cwd=tmp_path).value
    assert [(each["batch"], each["fate"]) for each in impact["exposures"]] == [(6, "abandoned"), (6, "again")]
    text = ask("impact", "rows:100", cwd=tmp_path).out
    assert "abandoned" in text
    assert "again" in text
    assert ask("trace", f"{shown['name']}@0:6", cwd=tmp_path).code == 0
    assert (
        ask("replay", shown["name"], "--sample", "300", "--verify", "--json", cwd=tmp_path).value["equal"]
        == 200
    )
    page = ask("report", shown["name"], "--json", cwd=tmp_path).value["path"]
    assert "read to its end, resumed at 5" in (tmp_path / page).read_text()
