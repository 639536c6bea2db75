"""sync, gc, backup and restore as users type them: text, JSON, exit codes, progress on a terminal only."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.rooms.cli.commands import Place, ask, environment_of, on_terminal


def copy(place: Place, target: pathlib.Path) -> pathlib.Path:
    shutil.copytree(place.folder / ".whence", target / ".whence")
    return target


def test_a_sync_says_what_it_did_and_what_it_would_do(own_place: Place, tmp_path: pathlib.Path) -> None:
    there = tmp_path / "there"
    source = str(own_place.folder)
    would = ask("sync", source, str(there), "--dry-run", "--json", cwd=tmp_path)
    assert (would.code, would.value["dry_run"], len(would.value["copied"])) == (0, True, 3)
    assert not (there / ".whence").exists()
    done = ask("sync", source, str(there), "--json", cwd=tmp_path)
    assert done.value == would.value | {"dry_run": False}
    assert done.value["bytes"] > 0
    again = ask("sync", source, "-w", str(there), cwd=tmp_path)
    assert (again.code, "3 runs" in again.out, "the same already" in again.out) == (0, True, True)
    assert ask("verify", "-w", str(there), cwd=tmp_path).code == 0
    assert ask("sync", source, cwd=there).code == 0  # the one here
    runs = [ask("runs", "--json", "-w", str(each), cwd=tmp_path).value for each in (there, own_place.folder)]
    assert runs[0] == runs[1]


def test_a_conflict_is_named_with_exit_code_1(own_place: Place, tmp_path: pathlib.Path) -> None:
    there = copy(own_place, tmp_path / "there")
    for number, folder in enumerate((own_place.folder, there)):
        (folder / "go_on.py").write_text(
            f"import whence as wh\nwith wh.start_run(resume={own_place.names[0]!r}) as run:\n"
            f"    run.log_note('{number}')\n"
        )
        subprocess.run([sys.executable, "go_on.py"], cwd=folder, env=environment_of(), check=True)
    done = ask("sync", str(own_place.folder), cwd=there)
    assert done.code == 1
    assert "both places" in done.out


def test_what_nobody_needs_is_listed_and_deleted_when_that_is_said(own_place: Place) -> None:
    folder = own_place.folder
    leftover = folder / ".whence" / "objects" / ".incoming-0123"
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"half")
    assert ask("gc", "--json", cwd=folder).value["leftovers"] == []  # it is young
    found = ask("gc", "--older-than", "0", cwd=folder)
    assert (found.code, leftover.exists()) == (0, True)
    assert "whence gc --delete" in found.out
    gone = ask("gc", "--older-than", "0", "--delete", "--json", cwd=folder).value
    assert (gone["deleted"], gone["bytes"]) == (True, 4)
    assert [(each["path"], each["kind"]) for each in gone["leftovers"]] == [(str(leftover), "temporary")]
    assert not leftover.exists()
    assert ask("gc", "--older-than", "-1", cwd=folder).code == 2
    assert ask("gc", "--older-than", "nan", cwd=folder).code == 2
    assert ask("gc", "-w", "nowhere", cwd=folder).code == 3


def test_a_backup_is_made_and_restored(own_place: Place, tmp_path: pathlib.Path) -> None:
    made = ask("backup", str(tmp_path), "--json", cwd=own_place.folder).value
    path = pathlib.Path(made["path"])
    assert (path.parent, made["runs"], made["damaged"]) == (tmp_path, 3, [])
    assert path.name.startswith("copy-")
    assert made["size"] == path.stat().st_size
    there = tmp_path / "there"
    done = ask("restore", str(path), str(there), "--json", cwd=tmp_path)
    assert (done.code, done.value["files"], done.value["replaced"]) == (0, made["files"], None)
    assert ask("verify", "-w", str(there), cwd=tmp_path).code == 0
    refused = ask("restore", str(path), str(there), cwd=tmp_path)
    assert (refused.code, "--replace" in refused.err) == (2, True)
    replaced = ask("restore", str(path), "--replace", "--json", cwd=there).value["replaced"]
    assert os.path.isdir(replaced)
    path.write_bytes(path.read_bytes()[:-2000])
    assert ask("restore", str(path), str(tmp_path / "third"), cwd=tmp_path).code == 1
    assert not (tmp_path / "third" / ".whence").exists()
    assert ask("restore", "nothing.tar", cwd=tmp_path).code == 3
    assert ask("backup", "b.zip", cwd=own_place.folder).code == 2


def test_a_damaged_run_is_backed_up_as_it_is_with_exit_code_1(
    own_place: Place, tmp_path: pathlib.Path
) -> None:
    journal = next((own_place.folder / ".whence" / "runs").glob("*/journal"))
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    made = ask("backup", str(tmp_path / "b.tar"), cwd=own_place.folder)
    assert (made.code, "journal" in made.out) == (1, True)
    assert ask("restore", str(tmp_path / "b.tar"), str(tmp_path / "there"), cwd=tmp_path).code == 0


@pytest.mark.parametrize("verb", ["sync", "restore"])
def test_two_places_at_once_are_refused(verb: str, tmp_path: pathlib.Path) -> None:
    done = ask(verb, "here", "there", "-w", "elsewhere", cwd=tmp_path)
    assert (done.code, "Leave one of them out" in done.err) == (2, True)


def test_a_terminal_shows_what_was_done(own_place: Place, tmp_path: pathlib.Path) -> None:
    shown = on_terminal("sync", str(own_place.folder), str(tmp_path / "there"), cwd=tmp_path, columns=70)
    assert "3 runs" in shown
    assert all(len(line) < 200 for line in shown.splitlines())


def test_runs_of_one_name_are_told_apart(own_place: Place) -> None:
    runs = own_place.folder / ".whence" / "runs"
    first = ask("runs", "--json", cwd=own_place.folder).value["runs"][0]
    other = f"{first['id'][:-1]}{'Z' if first['id'][-1] != 'Z' else 'Y'}"
    shutil.copytree(runs / first["id"], runs / other)
    listed = ask("runs", cwd=own_place.folder).out
    assert first["id"] in listed
    assert other in listed
    assert own_place.names[0] in listed
    refused = ask("show", first["name"], cwd=own_place.folder)
    assert refused.code == 3
    assert all(each in refused.err for each in (first["id"], other, first["title"], "Give an id"))
    assert ask("show", other, "--json", cwd=own_place.folder).value["id"] == other


def test_a_run_says_why_it_is_lost(own_place: Place) -> None:
    code = "import os, whence as wh\nrun = wh.start_run('dies')\nos.kill(os.getpid(), 9)\n"
    subprocess.run([sys.executable, "-c", code], cwd=own_place.folder, env=environment_of(), check=False)
    shown = ask("show", "--json", cwd=own_place.folder).value
    assert (shown["status"], "is gone" in shown["standing"]) == ("lost", True)
    assert "is gone" in ask("show", cwd=own_place.folder).out
    assert ask("show", own_place.names[0], "--json", cwd=own_place.folder).value["standing"] == ""
