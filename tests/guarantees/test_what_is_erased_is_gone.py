"""What is erased from the ledger is gone from the disk, and the log still holds, as redacted."""

from __future__ import annotations

import pathlib
import time

import pytest

import whence as wh
from whence.errors import InputError, KeyUnusableError, NotFoundError
from whence.ledger import Opening, Statement
from whence.store import Folder, Ledger, LoggedAt
from whence.vocab import encode_content


def openings_of(workspace: wh.Workspace, places: list[LoggedAt]) -> list[Opening]:
    """Read what entries commit to, all of which is there."""
    by_name = {shard.name: shard for shard in workspace.ledger.shards}
    found = [by_name[place.shard].opening(place.index) for place in places]
    assert None not in found
    return [each for each in found if each is not None]


def logged(workspace: wh.Workspace, count: int) -> list[LoggedAt]:
    """Log what somebody said about somebody."""
    at_ms = time.time_ns() // 1_000_000
    said = [
        encode_content({"about": f"person {number} of {count}", "why": "x" * 40}) for number in range(count)
    ]
    return Ledger(Folder(workspace.path)).append([Statement("approval", at_ms, each) for each in said])


def bytes_of(workspace: wh.Workspace) -> list[bytes]:
    """Read all that lies in a workspace."""
    return [path.read_bytes() for path in workspace.path.rglob("*") if path.is_file()]


def search(workspace: wh.Workspace, openings: list[Opening]) -> int:
    """Count how often what was destroyed is found anywhere."""
    contents = bytes_of(workspace)
    return sum(
        content.count(needle)
        for content in contents
        for opening in openings
        for needle in (opening.salt, opening.payload)
    )


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> wh.Workspace:
    workspace = wh.open(tmp_path / ".whence")
    with wh.start_run("t", workspace=workspace) as run:
        run.log_model("digits", b"weights")
    return workspace


def test_a_thousand_erasures_leave_a_log_that_holds_and_nothing_of_what_was_said(
    workspace: wh.Workspace,
) -> None:
    places = logged(workspace, 1_000)
    openings = openings_of(workspace, places)
    assert search(workspace, openings[:20]) == 40
    rest = list(places)
    for size in [1] * 40 + [17] * 20 + [620]:
        (erasure,) = workspace.ledger.redact(rest[:size], {"why": "the person asked for it"})
        assert erasure.public["indices"] == [place.index for place in rest[:size]]
        rest = rest[size:]
    assert rest == []
    assert search(workspace, openings) == 0
    verdict = workspace.verify()
    assert verdict.outcome == "redacted"
    assert verdict.findings == []
    redacted = {each.where: each.allowed_by for each in verdict.redactions}
    assert set(redacted) == {f"{place.shard}:{place.index}" for place in places}
    assert {workspace.ledger.entry(each).kind for each in set(redacted.values())} == {"erasure"}
    assert all(workspace.ledger.entry(place).redacted for place in places)


def test_what_is_left_of_it_can_still_be_proven(workspace: wh.Workspace) -> None:
    first, second = logged(workspace, 2)
    before = workspace.prove(f"{first.shard}:{first.index}")
    workspace.ledger.redact([first], {"why": "asked"})
    after = workspace.prove(f"{first.shard}:{first.index}")
    assert b"extra" in before
    assert b"extra" not in after
    assert b"extra" in workspace.prove(f"{second.shard}:{second.index}")
    assert workspace.prove("digits@1")


def test_a_model_whose_entry_was_erased_has_no_receipt_and_says_why(workspace: wh.Workspace) -> None:
    entry = workspace.ledger.find("digits@1")
    (opening,) = openings_of(workspace, [LoggedAt(entry.shard, entry.index)])
    workspace.ledger.redact([entry], {"why": "asked"})
    assert search(workspace, [opening]) == 0
    with pytest.raises(NotFoundError, match="destroyed"):
        workspace.prove("digits@1")
    assert workspace.ledger.seal().logged == []
    assert workspace.verify().outcome == "redacted"


def test_erasing_twice_is_erasing_once(workspace: wh.Workspace) -> None:
    (place,) = logged(workspace, 1)
    for _ in range(2):
        workspace.ledger.redact([place], {"why": "asked"})
    assert workspace.verify().outcome == "redacted"


def test_what_was_destroyed_without_an_entry_that_allows_it_is_damage(workspace: wh.Workspace) -> None:
    first, second = logged(workspace, 2)
    workspace.ledger.redact([first], {"why": "asked"})
    ledger = Ledger(Folder(workspace.path))
    (shard,) = ledger.shards()
    ledger.destroy(shard, [second.index])
    verdict = workspace.verify()
    assert verdict.outcome == "damaged"
    assert [each.where for each in verdict.findings] == [f"{second.shard}:{second.index}"]


def test_an_entry_that_allows_what_was_not_done_is_told(workspace: wh.Workspace) -> None:
    first, second = logged(workspace, 2)
    public = {"shard": first.shard, "indices": [first.index, second.index]}
    workspace.ledger.append("erasure", {"why": "asked"}, public=public)
    ledger = Ledger(Folder(workspace.path))
    (shard,) = ledger.shards()
    ledger.destroy(shard, [first.index])
    verdict = workspace.verify()
    assert [each.where for each in verdict.redactions] == [f"{first.shard}:{first.index}"]
    assert any(f"{second.shard}:{second.index} be destroyed, and it isn't" in each for each in verdict.notes)


def test_nothing_is_destroyed_that_no_entry_allows_yet(
    workspace: wh.Workspace, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = logged(workspace, 2)
    openings = openings_of(workspace, places)
    monkeypatch.setenv("WHENCE_KEY_FILE", str(tmp_path / "no-key.pem"))
    with pytest.raises(KeyUnusableError):
        workspace.ledger.redact(places, {"why": "asked"})
    assert openings_of(workspace, places) == openings


def test_what_allows_an_erasure_or_begins_a_shard_stays(workspace: wh.Workspace) -> None:
    (place,) = logged(workspace, 1)
    (erasure,) = workspace.ledger.redact([place], {"why": "asked"})
    for each in (erasure, f"{place.shard}:0"):
        with pytest.raises(InputError, match="stays"):
            workspace.ledger.redact([each], {"why": "asked"})
    with pytest.raises(NotFoundError):
        workspace.ledger.redact([f"{place.shard}:99"], {"why": "asked"})
