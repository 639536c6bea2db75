"""The entry: help, exit codes, errors in one message, and nothing loaded that isn't asked for."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from tests.rooms.cli.commands import Place, ask, environment_of, whence
from whence import __version__
from whence.cli import main
from whence.cli.verbs import VERBS, help_text

HEAVY = {"numpy", "msgspec", "xxhash", "rich", "jinja2", "PIL", "pyarrow", "pandas", "polars", "sqlite3"}


def test_help_lists_every_verb_in_its_group(tmp_path: pathlib.Path) -> None:
    done = whence("--help", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    for verb in VERBS:
        at = next(number for number, line in enumerate(lines) if line.startswith(f"  {verb.name} "))
        heads = [line for line in lines[:at] if line and not line.startswith(" ")]
        assert heads[-1] == verb.group
        assert verb.summary in lines[at]
    assert max(len(line) for line in lines) <= 100


@pytest.mark.parametrize("arguments", [[], ["help"], ["-h"], ["--json", "--help"]])
def test_help_is_given_however_it_is_asked_for(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out == help_text()


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_each_verb_has_its_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: whence {verb}")
    assert "--workspace" in said
    assert main(["help", verb]) == 0
    assert capsys.readouterr().out == said


def test_the_version_is_told(tmp_path: pathlib.Path) -> None:
    assert whence("--version", cwd=tmp_path).out == f"whence {__version__}\n"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(option: str) -> None:
    code = (
        "import sys\n"
        "from whence.cli import main\n"
        f"main([{option!r}])\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "print(*sorted(name for name in sys.modules if name.startswith('whence.')), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment_of(), capture_output=True, text=True, check=True
    )
    everything, ours = done.stderr.splitlines()
    assert not HEAVY & set(everything.split())
    assert set(ours.split()) == {
        "whence.cli", "whence.cli.entry", "whence.cli.screen", "whence.cli.verbs", "whence.errors",
    }  # fmt: skip


def test_a_verb_loads_no_other_verb() -> None:
    code = "import sys\nfrom whence.cli import main\nmain(['init', '--help'])\n"
    code += "print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment_of(), capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert "whence.cli.init" in loaded
    assert not {f"whence.cli.{verb.name}" for verb in VERBS} & loaded - {"whence.cli.init"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["tarce"], 2, "'trace'"),
        (["nonsense"], 2, "whence --help"),
        (["--nonsense"], 2, "--nonsense"),
        (["runs", "--nonsense"], 2, "--nonsense"),
        (["runs", "--lim", "3"], 2, "--lim"),
        (["runs", "--limit", "0"], 2, "--limit 0"),
        (["runs", "--limit", "many"], 2, "many"),
        (["runs", "--after", "yesterday"], 2, "yesterday"),
        (["trace"], 2, "ADDRESS"),
        (["trace", "nowhere"], 2, "RUN@EPOCH:BATCH.ITEM"),
        (["trace", "no-such-run@0:0.0"], 3, "no-such-run"),
        (["show", "no-such-run"], 3, "no-such-run"),
        (["show", "net@99"], 3, "99"),
        (["impact", "digits", "--rows", "5-2"], 2, "5-2"),
        (["impact", "digits", "--rows", "0-99999999999"], 2, "rows"),
        (["impact", "digits", "--limit", "-1"], 2, "-1"),
        (["replay", "x", "--sample", "3", "--root", "digits"], 2, "SOURCE=FOLDER"),
        (["replay", "x@0:0", "--sample", "3"], 2, "--sample"),
        (["replay", "no-such-run", "--sample", "3"], 3, "no-such-run"),
        (["runs", "-w", "no/such/folder"], 3, "whence init"),
    ],
)
def test_a_mistake_is_one_clear_message(place: Place, arguments: list[str], code: int, said: str) -> None:
    done = place.ask(*arguments)
    assert done.code == code
    assert done.out == ""
    assert done.err.startswith("whence: ")
    assert done.err.count("whence: ") == 1
    assert said in done.err
    assert "Traceback" not in done.err
    answered = place.ask(*arguments, "--json")
    assert answered.code == code
    assert set(answered.value["error"]) == {"code", "message", "remedy"}
    assert answered.value["error"]["message"] in answered.err


def test_a_sample_that_was_not_delivered_is_not_found(place: Place) -> None:
    done = place.ask("trace", f"{place.names[0]}@0:99.0")
    assert done.code == 3
    assert "Ask for 0 to" in done.err


def test_a_store_of_a_newer_version_exits_with_4(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".whence").mkdir()
    (tmp_path / ".whence" / "format").write_text('{"format":99}')
    done = ask("runs", "--json", cwd=tmp_path)
    assert (done.code, done.value["error"]["code"]) == (4, "store-version")


def test_a_bug_prints_its_traceback_and_exits_with_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("whence.cli.entry.help_text", lambda: 1 / 0)
    assert main(["--help", "--json"]) == 70
    caught = capsys.readouterr()
    assert "ZeroDivisionError" in caught.err
    assert "please report it" in caught.err
    assert json.loads(caught.out)["error"]["code"] == "bug"


def test_ctrl_c_ends_quietly_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("whence.cli.entry.help_text", interrupted)
    assert main(["--help"]) == 130
    assert capsys.readouterr().err == "whence: interrupted\n"


def test_a_reader_that_leaves_is_no_error(place: Place) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "whence", "impact", "digits", "--limit", "1000"],
        cwd=place.folder, env=environment_of(), stdout=writing, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
def test_a_full_disk_behind_the_output_is_said(place: Place) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "whence", "runs"],
            cwd=place.folder, env=environment_of(), stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert b"standard output can't be written" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_interrupted_process_shows_no_traceback(place: Place) -> None:
    arguments = ["replay", place.names[0], "--sample", "50", "--verify"]
    running = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "whence", *arguments],
        cwd=place.folder, env=environment_of(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stderr is not None
    for line in running.stderr:  # its imports tell when it is well on its way
        if "whence.workspace" in line:
            break
    running.send_signal(signal.SIGINT)
    said = running.stderr.read()
    running.stderr.close()
    assert "Traceback" not in said
    assert running.wait(timeout=60) in (130, 0, -signal.SIGINT)  # the last where Python was leaving already
