"""The ledger as users hold it: what can be added, found and proven."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import whence as wh
from whence.errors import InputError, NotFoundError
from whence.ledger import LoggedVersion, SealedRun, parse_extra, parse_receipt, subject_of
from whence.vocab import decode_content, digest_text


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> wh.Workspace:
    workspace = wh.open(tmp_path / ".whence")
    with wh.start_run("t", workspace=workspace) as run:
        run.log_model("digits", b"1")
    return workspace


def stated(receipt: bytes) -> tuple[str, bytes]:
    """Read what a receipt says, once it is checked that it proves that."""
    read = parse_receipt(receipt)
    statement, salt = parse_extra(read.extra)
    read.check_entry(statement.entry(salt))
    return statement.kind, statement.payload


def test_a_policy_is_logged_in_words_of_its_own(workspace: wh.Workspace) -> None:
    entry = workspace.ledger.append("policy", {"name": "no faces", "days": 30}, public={"version": 2})
    assert (entry.kind, entry.words, entry.public) == (
        "policy", {"name": "no faces", "days": 30}, {"version": 2},
    )  # fmt: skip
    assert workspace.ledger.entries(limit=1) == [entry]
    kind, payload = stated(workspace.prove(entry.place))
    assert (kind, decode_content(payload)) == ("policy", {"name": "no faces", "days": 30})
    assert workspace.verify().holds


@pytest.mark.parametrize(
    ("kind", "content", "public"),
    [
        ("run", {}, None),
        ("shard", {}, None),
        ("walk", {}, None),
        ("policy", "text", None),
        ("policy", {}, {"share": 0.5}),
        ("policy", {"text": "x" * 70_000}, None),
    ],
)
def test_what_is_no_entry_of_anybodys_is_refused(
    workspace: wh.Workspace, kind: str, content: Any, public: dict[str, Any] | None
) -> None:
    before = [shard.size for shard in workspace.ledger.shards]
    with pytest.raises(InputError):
        workspace.ledger.append(kind, content, public=public)
    assert [shard.size for shard in workspace.ledger.shards] == before


def test_the_latest_end_of_a_run_is_proven(workspace: wh.Workspace) -> None:
    name = workspace.run().name
    _, first = stated(workspace.prove(name))
    with wh.start_run(resume=name, workspace=workspace) as run:
        run.log_note("more")
    kind, second = stated(workspace.prove(name))
    subjects = subject_of(kind, first), subject_of(kind, second)
    assert all(isinstance(each, SealedRun) and each.run_id == run.id for each in subjects)
    assert first != second
    assert subjects[1] == workspace.ledger.find(run.id).subject


def test_each_version_of_a_model_has_its_receipt(workspace: wh.Workspace) -> None:
    with wh.start_run("t", workspace=workspace) as run:
        run.log_model("digits", b"2")
        run.log_model("digits", b"3")
    for number in (1, 2, 3):
        kind, payload = stated(workspace.prove(f"digits@{number}"))
        subject = subject_of(kind, payload)
        assert isinstance(subject, LoggedVersion)
        assert (subject.name, subject.version) == ("digits", number)
        assert digest_text(subject.digest) == workspace.model(f"digits@{number}").digest
    assert workspace.prove("digits") == workspace.prove("digits@3") == workspace.prove(f"{run.name}/digits")


def test_a_dataset_version_has_its_receipt(workspace: wh.Workspace) -> None:
    with wh.start_run("t", workspace=workspace):
        saved = wh.from_items([{"x": 1}, {"x": 2}]).save("rows")
    kind, payload = stated(workspace.prove(saved.reference))
    subject = subject_of(kind, payload)
    assert isinstance(subject, LoggedVersion)
    assert (subject.kind, subject.name, subject.version) == ("dataset", "rows", 1)
    assert digest_text(subject.digest) == saved.digest


def test_a_decision_has_its_receipt(workspace: wh.Workspace) -> None:
    workspace.set_alias("digits@1", "champion")
    (decision,) = [path.name for path in (workspace.path / "registry").iterdir()]
    kind, _ = stated(workspace.prove(decision))
    assert kind == "decision"


def test_a_receipt_of_a_run_that_goes_on_is_that_of_its_last_end(workspace: wh.Workspace) -> None:
    name = workspace.run().name
    _, before = stated(workspace.prove(name))
    with wh.start_run(resume=name, workspace=workspace) as run:
        run.log_note("more")
        assert stated(workspace.prove(name))[1] == before


@pytest.mark.parametrize("place", ["2026-aaaaaaaaaa:0", "nothing", "nothing@1", "no/thing"])
def test_what_is_not_there_is_said(workspace: wh.Workspace, place: str) -> None:
    with pytest.raises(NotFoundError):
        workspace.prove(place)


@pytest.mark.parametrize("lie", [b"[0,0]", b"[0,7000]", b"[0]"])
def test_a_logbook_that_lies_costs_only_time(workspace: wh.Workspace, lie: bytes) -> None:
    whole = workspace.prove("digits@1")
    for page in (workspace.path / "catalog.ledger").glob("??"):
        assert b"[1,2]" in page.read_bytes()
        page.write_bytes(page.read_bytes().replace(b"[1,2]", lie))
    assert workspace.prove("digits@1") == whole
