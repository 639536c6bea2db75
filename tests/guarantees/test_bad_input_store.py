"""Bad input, the record itself: damaged or from a newer whence, it is said where, and the rest answers."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

import pytest

import whence as wh
from tests.earlier import Earlier
from whence.cli import main
from whence.errors import StoreError, StoreVersionError
from whence.store import scan_frames


def record_run(earlier: Earlier, title: str) -> wh.Run:
    with wh.start_run(title, workspace=earlier.folder) as run:
        for number in range(5):
            run.log_metric("n", number)
            run.log_note(f"note {number}")
    return run


def flip(path: pathlib.Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


def test_a_damaged_journal_is_named_and_everything_before_and_after_is_read(
    earlier: Earlier, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = record_run(earlier, "damaged")
    later = record_run(earlier, "later")
    path = damaged.record.journal.path / "journal"
    event = damaged.record.journal.find("note")[2]
    offset = scan_frames(path).frames[event.number].offset
    flip(path, offset + 60)
    # earlier and later in the same journal
    again = wh.open(earlier.folder).run(damaged.id)
    assert again.notes == ["note 0", "note 1", "note 3", "note 4"]
    assert (again.title, again.status, again.metrics) == ("damaged", "finished", {"n": 4})
    # the runs before and after
    earlier.check()
    assert wh.open(earlier.folder).run(later.id).metrics == {"n": 4}
    assert [run.title for run in wh.open(earlier.folder).runs()] == ["later", "damaged", "earlier"]
    # verify names the place
    verdict = wh.open(earlier.folder).verify()
    assert not verdict.holds
    assert verdict.findings[0].where == f"{path}:{offset}"
    assert main(["verify", "-w", str(earlier.folder)]) == 1
    assert str(path) in capsys.readouterr().out.replace("\n", "")
    assert main(["verify", "-w", str(earlier.folder), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is False
    assert told["findings"][0]["where"] == f"{path}:{offset}"
    # the next run works
    record_run(earlier, "next")


def test_damaged_points_of_metrics_are_named_and_all_else_is_read(earlier: Earlier) -> None:
    damaged = record_run(earlier, "damaged")
    path = damaged.record.journal.path / "segments" / "metrics"
    flip(path, 100)
    again = wh.open(earlier.folder).run(damaged.id)
    history = again.history("n")
    assert (history.value.tolist(), history.is_complete) == ([], False)
    assert (again.metrics, again.notes) == ({"n": 4}, [f"note {number}" for number in range(5)])
    verdict = wh.open(earlier.folder).verify()
    assert not verdict.holds
    assert {finding.where.rpartition(":")[0] for finding in verdict.findings} == {str(path)}
    earlier.check()
    record_run(earlier, "next")


def test_a_journal_that_is_gone_is_named_and_the_others_are_read(earlier: Earlier) -> None:
    damaged = record_run(earlier, "damaged")
    path = damaged.record.journal.path / "journal"
    path.unlink()
    findings = wh.open(earlier.folder).verify().findings
    assert any(finding.where.startswith(str(path)) for finding in findings)
    assert any(damaged.id in finding.problem for finding in findings)  # the ledger knows that it was there
    assert [run.title for run in wh.open(earlier.folder).runs()] == ["", "earlier"]
    earlier.check()


@pytest.mark.parametrize("content", [b"", b"nonsense, and more of it than a head", bytes(100)])
def test_a_journal_that_is_something_else_is_named(earlier: Earlier, content: bytes) -> None:
    damaged = record_run(earlier, "damaged")
    path = damaged.record.journal.path / "journal"
    path.write_bytes(content)
    verdict = wh.open(earlier.folder).verify()
    assert not verdict.holds
    assert verdict.findings[0].where.startswith(str(path))
    assert len(wh.open(earlier.folder).summaries()) == 2
    earlier.check()


def test_a_workspace_of_a_newer_whence_is_refused_and_left_alone(
    earlier: Earlier, capsys: pytest.CaptureFixture[str]
) -> None:
    path = earlier.folder / ".whence" / "format"
    before = path.read_bytes()
    path.write_text('{"format": 99}')
    attempts: list[Callable[[], object]] = [
        lambda: wh.open(earlier.folder),
        lambda: wh.start_run("later", workspace=earlier.folder),
    ]
    for attempt in attempts:
        with pytest.raises(StoreVersionError, match="format 99") as caught:
            attempt()
        assert str(earlier.folder) in caught.value.message
        assert "upgrade" in caught.value.remedy.lower()
    assert main(["runs", "-w", str(earlier.folder)]) == 4
    assert "99" in capsys.readouterr().err
    path.write_bytes(before)
    assert len(wh.open(earlier.folder).runs()) == 1
    earlier.check()


def test_a_run_of_a_newer_whence_is_refused_and_the_others_are_read(earlier: Earlier) -> None:
    newer = record_run(earlier, "newer")
    flip(newer.record.journal.path / "journal", 7)
    workspace = wh.open(earlier.folder)
    earlier_run = workspace.run(earlier.id)
    assert earlier_run.title == "earlier"
    with pytest.raises(StoreVersionError):
        workspace.run(newer.id)
    assert [(row["title"], row["status"]) for row in workspace.summaries()] == [
        ("", "unknown"),
        ("earlier", "finished"),
    ]
    assert not workspace.impact("lines:7").absent
    assert not workspace.verify().holds


def test_a_damaged_format_file_is_named_with_what_it_should_be(earlier: Earlier) -> None:
    path = earlier.folder / ".whence" / "format"
    before = path.read_bytes()
    path.write_bytes(b"{")
    with pytest.raises(StoreError) as caught:
        wh.open(earlier.folder)
    assert str(path) in caught.value.message
    assert before.decode() in caught.value.remedy
    path.write_bytes(before)
    earlier.check()
