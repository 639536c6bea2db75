"""Verify: each guard has the attack that would pass without it, and nothing is verified by looking away."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Callable

import pytest

import whence as wh
from tests.rooms.store.test_frames import forge
from whence.store import RunWriter, scan_frames
from whence.vocab import digest_bytes, encode_content


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> wh.Workspace:
    stream = wh.from_items(list(range(100))).filter(bool).batch(8)
    for title in ("first", "second"):
        with wh.start_run(title, params={"lr": 0.1}, workspace=tmp_path) as run:
            list(stream)
            run.log_model("m", bytes(100_000) + title.encode())
            run.log_text("small", f"{title}.txt")
            run.log_note("secret words")
    return wh.open(tmp_path)


def folder_of(workspace: wh.Workspace) -> pathlib.Path:
    return workspace.run().record.journal.path


def test_an_untouched_workspace_holds_and_says_what_was_checked(workspace: wh.Workspace) -> None:
    verdict = workspace.verify()
    assert verdict.holds
    assert verdict.findings == []
    assert verdict.notes == []
    assert verdict.checked["runs"] == 2
    assert verdict.checked["objects"] == 4
    assert verdict.checked["events"] == sum(len(run.record.journal.events) for run in workspace.runs())
    assert verdict.checked["frames"] >= 4
    assert verdict.checked["bytes"] > 200_000
    assert verdict.to_json()["holds"] is True


def test_a_workspace_in_which_nothing_is_recorded_does_not_hold(tmp_path: pathlib.Path) -> None:
    workspace = wh.open(tmp_path)
    for _ in range(2):
        verdict = workspace.verify()
        assert not verdict.holds
        assert verdict.findings == []
        assert verdict.notes == ["nothing is recorded here, so nothing was verified"]
        workspace.make()


def test_any_changed_byte_of_any_file_of_a_run_is_found(tmp_path: pathlib.Path) -> None:
    with wh.start_run("t", workspace=tmp_path) as run:
        wh.from_items([1, 2, 3]).batch(2).collect()
        run.log_text("small", "a.txt")
    workspace = wh.open(tmp_path)
    assert workspace.verify().holds
    folder = folder_of(workspace)
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == "cursors":  # a counter that the end of the pass replaced
            continue
        data = path.read_bytes()
        for place in sorted({*range(0, len(data), 97), len(data) - 1, *range(min(64, len(data)))}):
            changed = bytearray(data)
            changed[place] ^= 0x55
            path.write_bytes(changed)
            verdict = wh.open(tmp_path).verify()
            assert not verdict.holds, (path.name, place)
            assert any(str(folder) in finding.where for finding in verdict.findings)
        path.write_bytes(data)
    assert wh.open(tmp_path).verify().holds


def _shorten(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _cut_last_frame(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[: scan_frames(path).frames[-1].offset])


def _append_garbage(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes() + b"\xf7WHF and more")


def _append_event(path: pathlib.Path) -> None:
    event = encode_content({"n": 99, "k": "metric", "at": 0, "p": {"key": "acc", "value": 1.0, "step": 0}})
    path.write_bytes(path.read_bytes() + forge(1, event, bytes(32)))


def _append_chained_event(path: pathlib.Path) -> None:
    """An event with checksum and chain as they should be, and a number that doesn't follow."""
    scan = scan_frames(path)
    event = encode_content({"n": 99, "k": "note", "at": 0, "p": {}})
    covered = len(event).to_bytes(4, "little") + b"\x01\x00\x00\x00" + event
    path.write_bytes(path.read_bytes() + forge(1, event, digest_bytes(scan.chain + covered)))


def _remove_middle_frame(path: pathlib.Path) -> None:
    frames = scan_frames(path).frames
    data = path.read_bytes()
    path.write_bytes(data[: frames[1].offset] + data[frames[2].offset :])


ATTACKS: list[tuple[str, Callable[[pathlib.Path], None]]] = [
    ("journal", _shorten),
    ("journal", _cut_last_frame),
    ("journal", _append_garbage),
    ("journal", _append_event),
    ("journal", _append_chained_event),
    ("journal", _remove_middle_frame),
    ("journal", pathlib.Path.unlink),
    ("payloads", _shorten),
    ("payloads", _append_garbage),
    ("payloads", _remove_middle_frame),
    ("segments/lineage", _shorten),
    ("segments/lineage", _cut_last_frame),
    ("segments/lineage", _append_garbage),
    ("segments/lineage", pathlib.Path.unlink),
    ("segments/digests", _cut_last_frame),
    ("segments/digests", pathlib.Path.unlink),
]


@pytest.mark.parametrize(("name", "attack"), ATTACKS)
def test_an_attack_on_a_file_of_an_ended_run_is_found(
    workspace: wh.Workspace, name: str, attack: Callable[[pathlib.Path], None]
) -> None:
    path = folder_of(workspace) / name
    attack(path)
    verdict = wh.open(workspace.path).verify()
    assert not verdict.holds
    assert any(str(path.parent) in finding.where for finding in verdict.findings)
    others = [finding for finding in verdict.findings if str(path.parent) not in finding.where]
    assert all("isn't the one that was logged" in finding.problem for finding in others)
    # the other run is as it was
    other = wh.open(workspace.path).runs()[-1]
    assert (other.title, other.params, len(other.trace(0, 0).origins)) == ("first", {"lr": 0.1}, 8)


def test_a_damaged_or_missing_model_is_found_with_its_digest(workspace: wh.Workspace) -> None:
    objects = sorted(path for path in (workspace.path / "objects").rglob("*") if path.is_file())
    objects[0].write_bytes(b"x")
    objects[1].unlink()
    verdict = workspace.verify()
    assert not verdict.holds
    assert len(verdict.findings) == 2
    assert {finding.where for finding in verdict.findings} == {f"{path}:0" for path in objects}
    assert all("sha256:" in finding.problem for finding in verdict.findings)


def test_a_model_in_the_place_of_another_is_found(workspace: wh.Workspace) -> None:
    first, second = (path for path in (workspace.path / "objects").rglob("*") if path.is_file())
    shutil.copy(first, second)
    assert len(workspace.verify().findings) == 1


def test_destroyed_bodies_of_a_run_that_is_logged_are_wrong_if_no_entry_allows_it(
    workspace: wh.Workspace,
) -> None:
    (folder_of(workspace) / "payloads").unlink()
    (finding,) = workspace.verify().findings
    assert f"bodies of run {workspace.run().name}" in finding.problem


def test_destroyed_bodies_of_a_run_that_no_log_holds_are_noted(workspace: wh.Workspace) -> None:
    shutil.rmtree(workspace.path / "ledger")
    (folder_of(workspace) / "payloads").unlink()
    verdict = workspace.verify()
    assert verdict.holds
    assert len(verdict.notes) == 2
    assert "bodies are gone" in verdict.notes[0]
    assert "2 runs that ended are not logged yet" in verdict.notes[1]


def test_an_altered_body_is_wrong(workspace: wh.Workspace) -> None:
    path = folder_of(workspace) / "payloads"
    frames = scan_frames(path).frames
    data = path.read_bytes()[:16]
    chain = digest_bytes(data)
    for frame in frames:
        payload = frame.payload.replace(b"secret words", b"public words")
        covered = len(payload).to_bytes(4, "little") + frame.kind.to_bytes(4, "little") + payload
        chain = digest_bytes(chain + covered)
        data += forge(frame.kind, payload, chain)
    assert data != path.read_bytes()
    path.write_bytes(data)
    verdict = workspace.verify()
    assert [finding.problem for finding in verdict.findings] == [
        f"the body of event {_number_of_note(workspace)} isn't the one the journal committed to"
    ]


def _number_of_note(workspace: wh.Workspace) -> int:
    return workspace.run().record.journal.find("note")[0].number


def test_a_run_of_a_newer_format_is_a_finding_and_the_others_are_checked(workspace: wh.Workspace) -> None:
    path = folder_of(workspace) / "journal"
    data = bytearray(path.read_bytes())
    data[7] = 9
    path.write_bytes(data)
    verdict = wh.open(workspace.path).verify()
    assert not verdict.holds
    assert "format 9" in verdict.findings[0].problem
    assert verdict.checked["runs"] == 1


def test_a_segment_of_a_newer_format_is_a_finding(workspace: wh.Workspace) -> None:
    path = folder_of(workspace) / "segments" / "lineage"
    data = bytearray(path.read_bytes())
    data[7] = 9
    path.write_bytes(data)
    assert "format 9" in wh.open(workspace.path).verify().findings[0].problem


def test_a_run_that_died_holds_up_to_that_moment_and_is_noted(tmp_path: pathlib.Path) -> None:
    run = wh.start_run("t", workspace=tmp_path)
    run.log_note("x")
    child_sees = tmp_path / "copy"
    shutil.copytree(tmp_path / ".whence", child_sees / ".whence")
    run.finish()
    lease = child_sees / ".whence" / "runs" / run.id / "lease"
    lease.write_bytes(lease.read_bytes().replace(f'"pid":{os.getpid()}'.encode(), b'"pid":99999999'))
    verdict = wh.open(child_sees).verify()
    assert verdict.holds
    assert "died" in verdict.notes[0]


def test_a_segment_of_a_run_that_died_is_checked_as_well(tmp_path: pathlib.Path) -> None:
    with wh.start_run("t", workspace=tmp_path):
        for number, _ in enumerate(wh.from_items(list(range(1000)))):
            if number == 500:
                shutil.copytree(tmp_path / ".whence", tmp_path / "copy" / ".whence")
    workspace = wh.open(tmp_path / "copy")
    assert workspace.verify().holds
    path = folder_of(workspace) / "segments" / "digests"
    data = bytearray(path.read_bytes())
    data[70] ^= 1
    path.write_bytes(data)
    assert not wh.open(tmp_path / "copy").verify().holds


def test_an_ended_run_whose_end_was_cut_off_does_not_pass_for_one_that_died(
    workspace: wh.Workspace,
) -> None:
    _cut_last_frame(folder_of(workspace) / "journal")
    first, second = wh.open(workspace.path).verify().findings
    assert "end is missing" in first.problem
    assert "isn't the one that was logged" in second.problem


def test_a_run_that_died_before_it_wrote_anything_is_noted(
    workspace: wh.Workspace, tmp_path: pathlib.Path
) -> None:
    (workspace.path / "runs" / "00BEGUN" / "segments").mkdir(parents=True)
    verdict = workspace.verify()
    assert verdict.holds
    assert verdict.notes == ["00BEGUN: its process died before it wrote anything"]
    assert len(workspace.runs()) == 2
    assert [summary["status"] for summary in workspace.summaries()] == ["finished", "finished", "lost"]


def test_a_run_that_died_before_its_first_event_holds(workspace: wh.Workspace) -> None:
    folder = workspace.run().record.folder
    writer = RunWriter(folder, "00BEGUN")
    assert workspace.verify().holds
    writer.discard()


def test_a_run_that_is_written_while_it_is_verified_holds(tmp_path: pathlib.Path) -> None:
    with wh.start_run("t", workspace=tmp_path):
        for _ in wh.from_items(list(range(10))).batch(2):
            verdict = wh.open(tmp_path).verify()
            assert verdict.holds
            assert verdict.notes == []
