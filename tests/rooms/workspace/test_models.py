"""Models: versions that keep their numbers, names that move with a history, content that is checked."""

from __future__ import annotations

import functools
import os
import pathlib
import pickle
import random
import shutil
import subprocess
import sys
from typing import Any

import pytest

import whence as wh
from whence.errors import (
    DamagedError,
    InputError,
    NotFoundError,
    PlanError,
    SourceError,
    StoreReadOnlyError,
)
from whence.runs import RunRecord, formats, models

SOURCE = pathlib.Path(wh.__file__).parents[1]
LARGE = random.Random(3).randbytes(200_000)


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHENCE_ACTOR", "Ada Lovelace")


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "home"


def log(home: pathlib.Path, content: Any = b"weights", name: str = "digits", **given: Any) -> wh.Run:
    with wh.start_run("train", workspace=home) as run:
        run.log_model(name, content, **given)
    return run


@pytest.fixture
def workspace(home: pathlib.Path) -> wh.Workspace:
    for number in range(3):
        log(home, b"weights %d" % number)
    return wh.open(home)


# content


@pytest.mark.parametrize("content", [b"", b"small", LARGE], ids=["nothing", "small", "large"])
@pytest.mark.parametrize("as_file", [False, True])
def test_content_is_read_back_at_once_as_a_file_and_copied_out(
    home: pathlib.Path, tmp_path: pathlib.Path, content: bytes, as_file: bool
) -> None:
    (tmp_path / "given.bin").write_bytes(content)
    log(home, tmp_path / "given.bin" if as_file else content)
    model = wh.open(home).model("digits")
    assert model.load_bytes() == content
    with model.open() as file:
        file.seek(len(content) // 2)
        assert file.read() == content[len(content) // 2 :]
    assert model.save_to(tmp_path / "out.bin").read_bytes() == content
    assert model.size_bytes == len(content)


def test_nothing_is_written_over_and_nothing_is_left_of_what_failed(
    workspace: wh.Workspace, tmp_path: pathlib.Path
) -> None:
    model = workspace.model("digits")
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        model.save_to(tmp_path / "out")
    with pytest.raises(InputError, match="can't be written"):
        model.save_to(tmp_path / "no" / "such" / "folder")
    assert (tmp_path / "out").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]


def a_folder(root: pathlib.Path) -> pathlib.Path:
    """A model as transformers keep it: small files, large ones, a link to another place."""
    (root / "blobs").mkdir(parents=True)
    (root / "blobs" / "abc").write_bytes(LARGE)
    snapshot = root / "snapshot"
    (snapshot / "onnx" / "deep").mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").symlink_to(root / "blobs" / "abc")
    (snapshot / "onnx" / "deep" / "ü ñ.txt").write_text("")
    return snapshot


def test_a_folder_is_kept_file_by_file_and_copied_out_as_it_was(
    home: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    log(home, a_folder(tmp_path / "hub"))
    model = wh.open(home).model("digits")
    assert [(each.path, each.size_bytes) for each in model.files] == [
        ("config.json", 2),
        ("model.safetensors", len(LARGE)),
        ("onnx/deep/ü ñ.txt", 0),
    ]
    assert (model.format, model.size_bytes) == ("hugging-face", len(LARGE) + 2)
    assert model.load_bytes("model.safetensors") == LARGE
    with model.open("config.json") as file:
        assert file.read() == b"{}"
    out = model.save_to(tmp_path / "out")
    assert (out / "onnx" / "deep" / "ü ñ.txt").read_bytes() == b""
    assert (out / "model.safetensors").read_bytes() == LARGE
    assert not (out / "model.safetensors").is_symlink()
    with pytest.raises(InputError, match="a folder of files"):
        model.load_bytes()
    with pytest.raises(NotFoundError, match="no file"):
        model.load_bytes("config.yaml")


def test_what_two_folders_share_is_there_once_and_their_digests_tell_them_apart(
    home: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    snapshot = a_folder(tmp_path / "hub")
    log(home, snapshot)
    (snapshot / "config.json").rename(snapshot / "config2.json")
    log(home, snapshot)
    first, second = wh.open(home).models("digits")
    assert first.digest != second.digest
    objects = wh.open(home).path / "objects"
    assert len([path for path in objects.rglob("*") if path.is_file()]) == 1
    log(home, a_folder(tmp_path / "again"))
    assert wh.open(home).model("digits").digest == first.digest


def test_a_folder_without_files_with_a_broken_link_or_around_itself(
    home: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "weights").symlink_to(tmp_path / "gone")
    around = a_folder(tmp_path / "around")
    (around / "loop").symlink_to(around)
    with wh.start_run(workspace=home) as run:
        for name in ("empty", "broken", "missing"):
            with pytest.raises(SourceError, match=name):
                run.log_model("digits", tmp_path / name)
        run.log_model("digits", around)
    assert len(wh.open(home).model("digits").files) == 3
    assert len(run.models) == 1


def test_a_folder_that_changes_while_it_is_logged_is_refused(
    home: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_folder(tmp_path / "hub")
    todo = [folder / "one more.txt"]

    def meanwhile(*given: Any) -> Any:
        if todo:
            todo.pop().write_text("x")
        return formats.find_format(*given)

    monkeypatch.setattr(models, "find_format", meanwhile)
    with wh.start_run(workspace=home) as run, pytest.raises(SourceError, match="changed while it was read"):
        run.log_model("digits", folder)
    assert run.models == []


def test_a_path_that_leads_out_of_its_folder_is_never_written(
    home: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, bad = models._keep_folder, ["../out.txt"]

    def forge(*given: Any) -> dict[str, Any]:
        body = keep(*given)
        body["files"][0][0] = bad[0]
        return body

    monkeypatch.setattr(models, "_keep_folder", forge)
    for bad[0] in ("../out.txt", "/tmp/out.txt", "a/../../out.txt", "", "a\0b"):
        log(home, a_folder(tmp_path / f"hub{bad[0].encode().hex()}"))
        with pytest.raises(DamagedError, match="leads out"):
            wh.open(home).model("digits").save_to(tmp_path / "target")
        assert not (tmp_path / "target").exists()
        assert not (tmp_path / "out.txt").exists()


def test_a_large_content_that_was_flipped_is_named_and_nothing_is_copied(
    home: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    log(home, LARGE)
    workspace = wh.open(home)
    (path,) = (path for path in (workspace.path / "objects").rglob("*") if path.is_file())
    for at in (0, len(LARGE) // 2, len(LARGE) - 1):
        path.write_bytes(LARGE[:at] + bytes([LARGE[at] ^ 1]) + LARGE[at + 1 :])
        model = workspace.model("digits")
        for read in (model.load_bytes, model.open, functools.partial(model.save_to, tmp_path / "out")):
            with pytest.raises(DamagedError) as caught:
                read()
            assert caught.value.place == str(path)
        assert not (tmp_path / "out").exists()
        assert [finding.where for finding in workspace.verify().findings] == [f"{path}:0"]
    path.unlink()
    with pytest.raises(NotFoundError, match="isn't in"):
        workspace.model("digits").load_bytes()


def test_the_files_of_a_folder_are_verified_each(home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    log(home, a_folder(tmp_path / "hub"))
    workspace = wh.open(home)
    assert workspace.verify().checked["objects"] == 3
    assert workspace.verify().holds
    (path,) = (path for path in (workspace.path / "objects").rglob("*") if path.is_file())
    path.write_bytes(LARGE[:-1])
    assert [finding.where for finding in workspace.verify().findings] == [f"{path}:0"]
    with pytest.raises(DamagedError):
        workspace.model("digits").save_to(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_small_content_that_was_flipped_is_named(home: pathlib.Path) -> None:
    run = log(home, b"these are small weights")
    payloads = wh.open(home).path / "runs" / run.id / "payloads"
    whole = payloads.read_bytes()
    at = whole.index(b"small weights")
    payloads.write_bytes(whole[:at] + b"S" + whole[at + 1 :])
    with pytest.raises(DamagedError, match="payloads"):
        wh.open(home).model("digits").load_bytes()


# what is said of it


def test_what_is_said_of_a_model_is_read_back(home: pathlib.Path) -> None:
    signature = {
        "inputs": [{"name": "image", "dtype": "float32", "shape": [None, 28, "width"]}],
        "outputs": [{"dtype": "float32", "shape": (None, 10)}],
    }
    log(home, pickle.dumps([1]), signature=signature, metadata={"layers": 3})
    model = wh.open(home).model("digits")
    assert model.signature == {
        "inputs": [{"name": "image", "dtype": "float32", "shape": [None, 28, "width"]}],
        "outputs": [{"dtype": "float32", "shape": [None, 10]}],
    }
    assert (model.metadata, model.format, model.is_unsafe) == ({"layers": 3}, "pickle", True)
    assert "safetensors" in model.remedy


def test_a_pickle_that_is_called_something_else_is_unsafe_all_the_same(home: pathlib.Path) -> None:
    log(home, pickle.dumps([1]), format="safetensors")
    model = wh.open(home).model("digits")
    assert (model.format, model.is_unsafe) == ("safetensors", True)
    assert "runs whatever code" in model.remedy
    log(home, b"no pickle that anybody knows", format="pickle")
    assert wh.open(home).model("digits").is_unsafe


@pytest.mark.parametrize(
    "signature",
    [
        [],
        {},
        "x",
        {"in": []},
        {"inputs": {}},
        {"inputs": ["x"]},
        {"inputs": [{}]},
        {"inputs": [{"size": 3}]},
        {"inputs": [{"shape": 3}]},
        {"inputs": [{"shape": "abc"}]},
        {"inputs": [{"shape": [1.5]}]},
        {"inputs": [{"shape": [True]}]},
    ],
)
def test_a_signature_of_another_form_is_refused_before_anything_is_kept(
    home: pathlib.Path, signature: Any
) -> None:
    with wh.start_run(workspace=home) as run:
        with pytest.raises(InputError, match="signature"):
            run.log_model("digits", LARGE, signature=signature)
        assert run.models == []
    assert not [path for path in (wh.open(home).path / "objects").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["", "a/b", "a@b", "a#b", "a:b", " a", "a\n", "x" * 201, 3, None])
def test_names_that_references_could_not_hold_are_refused(home: pathlib.Path, name: Any) -> None:
    with wh.start_run(workspace=home) as run:
        with pytest.raises(PlanError, match="without / @ # :"):
            run.log_model(name, b"x")
        run.log_model("digits", b"x")
    model = wh.open(home).model("digits")
    with pytest.raises(PlanError):
        model.set_alias(name)
    if name is not None:
        with pytest.raises(PlanError):
            model.set_stage(name)
    assert model.history == []


def test_what_is_of_no_form_that_is_wanted_is_an_input_error(
    workspace: wh.Workspace, home: pathlib.Path
) -> None:
    model: Any = workspace.model("digits")
    anything: Any = workspace
    given: Any
    with wh.start_run(workspace=home) as begun:
        run: Any = begun
        for given in ([1], 3, ""):
            with pytest.raises(InputError, match="format"):
                run.log_model("digits", b"x", format=given)
        with pytest.raises(InputError, match="metadata"):
            run.log_model("digits", b"x", metadata=[1])
        with pytest.raises(InputError, match="bytes or the path"):
            run.log_model("digits", 3)
    with pytest.raises(InputError, match="metadata"):
        model.describe([1])
    for given in (None, 3, b"digits"):
        with pytest.raises(InputError, match="wanted a reference"):
            anything.model(given)
        with pytest.raises(InputError, match="wanted a reference"):
            anything.artifact(given)
    assert model.history == []
    assert len(workspace.models()) == 3


@pytest.mark.parametrize("alias", ["1", "007", "latest"])
def test_an_alias_is_nothing_that_versions_are_called_by_themselves(
    workspace: wh.Workspace, alias: str
) -> None:
    with pytest.raises(InputError, match="by themselves"):
        workspace.set_alias("digits@1", alias)


def test_metadata_can_be_added_and_what_was_said_before_stays_in_the_history(workspace: wh.Workspace) -> None:
    model = workspace.model("digits@2")
    model.describe({"accuracy": 0.91})
    model.describe({"accuracy": 0.93, "reviewed": True}, note="on the second test set")
    assert workspace.model("digits@2").metadata == {"accuracy": 0.93, "reviewed": True}
    assert workspace.model("digits@3").metadata == {}
    assert [(each.value, each.why) for each in model.history] == [
        ({"accuracy": 0.91}, ""),
        ({"accuracy": 0.93, "reviewed": True}, "on the second test set"),
    ]


# references


def test_a_version_is_found_by_each_of_its_names(workspace: wh.Workspace) -> None:
    first = workspace.models("digits")[0]
    workspace.set_alias("digits@1", "champion", note="best so far")
    workspace.set_stage("digits@1", "production")
    run = first.run
    for reference in (
        "digits@1",
        "digits@champion",
        "digits@stage:production",
        f"digits@{first.digest}",
        f"digits@{first.digest[:15]}",
        first.digest,
        f"{run.name}/digits",
        f"{run.id}/digits@1",
    ):
        assert workspace.model(reference) == first, reference
    assert workspace.model("digits") == workspace.model("digits@latest") == workspace.model("digits@3")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("letters", "no model 'letters'"),
        ("digits@4", "There are 1 to 3"),
        ("digits@0", "There are 1 to 3"),
        ("digits@champion", "no alias or version 'champion'"),
        ("digits@", "digits"),
        ("digits@stage:production", "no version of model 'digits' is in stage"),
        ("digits@sha256:00000000", "no model"),
        ("digits@sha256:00", "too few digits"),
        ("sha256:" + "0" * 64, "no model"),
        ("nobody/digits", "no run 'nobody'"),
        ("", "no model"),
        ("@", "no model"),
        ("@@@", "no model"),
        ("digits@1@2", "no alias"),
        ("../digits", "no run '..'"),
        ("digits@\udcff", "no alias"),
    ],
)
def test_what_is_not_there_is_not_found_and_what_is_there_is_named(
    workspace: wh.Workspace, reference: str, said: str
) -> None:
    if reference == "digits@":
        assert workspace.model(reference).version == 3
        return
    with pytest.raises(NotFoundError) as caught:
        workspace.model(reference)
    assert said in str(caught.value)
    with pytest.raises(NotFoundError):
        workspace.set_alias(reference, "champion")
    assert workspace.models("digits")[0].history == []


def test_an_alias_moves_and_both_versions_know(workspace: wh.Workspace) -> None:
    workspace.set_alias("digits@1", "champion")
    workspace.set_alias("digits@3", "champion", note="better on the hard ones")
    first, _, third = workspace.models("digits")
    assert (first.aliases, third.aliases) == ([], ["champion"])
    assert [(each.kind, each.value) for each in first.history] == [("alias", "champion")]
    (given,) = third.history
    assert (given.who, given.why) == ("Ada Lovelace", "better on the hard ones")
    workspace.remove_alias("digits@champion", note="withdrawn")
    assert third.aliases == []
    assert [each.kind for each in third.history] == ["alias", "alias_removed"]
    with pytest.raises(NotFoundError):
        workspace.model("digits@champion")
    with pytest.raises(NotFoundError, match="has no alias"):
        first.remove_alias("champion")


def test_stages_have_a_history_and_the_one_that_came_last_is_meant(workspace: wh.Workspace) -> None:
    first, second, _ = workspace.models("digits")
    second.set_stage("production")
    first.set_stage("staging")
    first.set_stage("production", note="rolled back")
    assert workspace.model("digits@stage:production") == first
    assert (first.stage, second.stage) == ("production", "production")
    first.set_stage(None, note="retired")
    assert workspace.model("digits@stage:production") == second
    assert [(each.value, each.why) for each in first.stages] == [
        ("staging", ""),
        ("production", "rolled back"),
        (None, "retired"),
    ]
    with pytest.raises(NotFoundError, match="There are versions in production"):
        workspace.model("digits@stage:staging")


def test_who_decides_is_named_by_git_where_nothing_else_says(
    workspace: wh.Workspace, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHENCE_ACTOR")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gitconfig").write_text("[user]\n  name = Grace Hopper\n")
    workspace.set_alias("digits@1", "champion", note="token=abcdefghij0123456789")
    (tmp_path / "gitconfig").write_text("")
    workspace.set_alias("digits@1", "best")
    named, unnamed = workspace.model("digits@1").history
    assert (named.who, unnamed.who) == ("Grace Hopper", "unknown")
    assert "abcdefghij0123456789" not in named.why
    said = b"".join(path.read_bytes() for path in (workspace.path / "registry").iterdir())
    assert b"abcdefghij0123456789" not in said


def test_two_processes_that_set_an_alias_at_once_are_both_in_the_history(workspace: wh.Workspace) -> None:
    program = (
        "import sys, whence as wh\n"
        "model = wh.open(sys.argv[1]).model('digits@' + sys.argv[2])\n"
        "sys.stdin.readline()\n"
        "for _ in range(5):\n    model.set_alias('champion')\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(workspace.path), str(number)],
            env=os.environ | {"PYTHONPATH": str(SOURCE), "WHENCE_ACTOR": f"process {number}"},
            stdin=subprocess.PIPE,
            text=True,
        )
        for number in (1, 2, 3)
    ]
    for process in processes:  # they begin as their input ends
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait() for process in processes] == [0, 0, 0]
    history = [each for model in workspace.models("digits") for each in model.history]
    assert len(history) == 15
    last = max(history, key=lambda each: each.at)
    holders = [model for model in workspace.models("digits") if model.aliases == ["champion"]]
    assert holders == [workspace.model("digits@champion")]
    assert last.who == f"process {holders[0].version}"


def test_a_damaged_decision_is_named_and_hides_no_other(workspace: wh.Workspace) -> None:
    workspace.set_alias("digits@1", "champion")
    workspace.set_alias("digits@2", "runner-up")
    first = min((workspace.path / "registry").iterdir())
    content = first.read_bytes()
    first.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = wh.open(workspace.path)
    with pytest.raises(NotFoundError):
        again.model("digits@champion")
    assert again.model("digits@runner-up").version == 2
    found = [finding.where for finding in again.verify().findings]
    assert found[0] == str(first)
    assert len(found) == 2  # and the entry of the ledger that speaks of it
    assert not again.verify().holds


def test_an_alias_to_a_run_that_is_gone_is_not_given_to_another(workspace: wh.Workspace) -> None:
    workspace.set_alias("digits@2", "champion")
    shutil.rmtree(workspace.model("digits@2").run.record.journal.path)
    with pytest.raises(NotFoundError, match="isn't in") as caught:
        workspace.model("digits@champion")
    assert "whence sync" in caught.value.remedy
    assert workspace.model("digits").version == 3


def test_a_decision_that_can_not_be_written_changes_nothing(
    workspace: wh.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any) -> None:
        raise OSError(30, "Read-only file system")

    workspace.set_alias("digits@1", "champion")
    monkeypatch.setattr(os, "fdatasync", refuse)
    with pytest.raises(StoreReadOnlyError):
        workspace.set_alias("digits@2", "champion")
    monkeypatch.undo()
    assert workspace.model("digits@champion").version == 1


# versions


def test_versions_keep_their_numbers_when_workspaces_become_one(tmp_path: pathlib.Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    log(two, b"early")
    log(one, b"first")
    log(two, b"late")
    log(one, b"second")
    log(two, b"third")
    wh.open(one).set_alias("digits@2", "champion")
    for folder in ("runs", "registry"):
        if (two / ".whence" / folder).exists():
            shutil.copytree(two / ".whence" / folder, one / ".whence" / folder, dirs_exist_ok=True)
    merged = wh.open(one)
    assert [(model.version, model.load_bytes()) for model in merged.models("digits")] == [
        (1, b"early"),
        (1, b"first"),
        (2, b"late"),
        (2, b"second"),
        (3, b"third"),
    ]
    assert merged.model("digits@3").load_bytes() == b"third"
    assert merged.model("digits@champion").load_bytes() == b"second"
    with pytest.raises(NotFoundError, match="names 2 models") as caught:
        merged.model("digits@1")
    for content in (b"early", b"first"):
        model = next(each for each in merged.models("digits") if each.load_bytes() == content)
        assert model.digest in caught.value.remedy
        assert merged.model(f"digits@{model.digest}").load_bytes() == content
        assert merged.model(f"{model.run.id}/digits@1").load_bytes() == content


def test_workspaces_that_are_synced_share_decisions_and_numbers_go_on_above_both(
    tmp_path: pathlib.Path,
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for number in range(3):
        log(two, b"two %d" % number)
    log(one, a_folder(tmp_path / "hub"))
    wh.open(two).set_alias("digits@3", "champion", note="over there")
    wh.open(one).set_stage("digits@1", "production")
    wh.open(one).sync(two)
    merged = wh.open(one)
    assert merged.model("digits@champion").load_bytes() == b"two 2"
    assert [each.why for each in merged.model("digits@champion").history] == ["over there"]
    assert len(merged.model("digits@stage:production").files) == 3
    log(one, b"next")
    assert merged.model("digits@4").load_bytes() == b"next"
    assert merged.verify().holds


def test_nothing_that_a_model_is_made_of_is_tidied_away(home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    log(home, a_folder(tmp_path / "hub"))
    workspace = wh.open(home)
    workspace.set_alias("digits@1", "champion")
    stray = workspace.path / "objects" / "ab" / ("c" * 62)
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"of nobody")
    os.utime(stray, (0, 0))
    workspace.tidy(delete=True, grace_s=0)
    assert not stray.exists()
    assert workspace.model("digits@champion").load_bytes("model.safetensors") == LARGE


def test_the_same_content_under_one_number_is_no_question(tmp_path: pathlib.Path) -> None:
    for name in ("one", "two"):
        log(tmp_path / name, b"same")
    shutil.copytree(tmp_path / "two/.whence/runs", tmp_path / "one/.whence/runs", dirs_exist_ok=True)
    assert wh.open(tmp_path / "one").model("digits@1").load_bytes() == b"same"


def test_numbers_go_on_where_they_are_not_counted_yet(home: pathlib.Path) -> None:
    for number in range(3):
        log(home, b"%d" % number)
    shutil.rmtree(home / ".whence" / "versions")
    log(home, b"more")
    assert [model.version for model in wh.open(home).models("digits")] == [1, 2, 3, 4]


def test_processes_at_once_give_each_version_a_number_of_its_own(home: pathlib.Path) -> None:
    program = (
        "import sys, whence as wh\n"
        "with wh.start_run(workspace=sys.argv[1]) as run:\n"
        "    for number in range(5):\n        run.log_model('digits', b'%d' % number)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(home)], env=os.environ | {"PYTHONPATH": str(SOURCE)}
        )
        for _ in range(4)
    ]
    assert [process.wait() for process in processes] == [0] * 4
    assert sorted(model.version for model in wh.open(home).models("digits")) == list(range(1, 21))


def test_a_writer_killed_between_the_content_and_the_event_leaves_no_version(home: pathlib.Path) -> None:
    log(home, b"before")
    program = (
        "import os, signal, sys, whence as wh\n"
        "from whence.store import RunWriter\n"
        "append = RunWriter.append\n"
        "def dying(self, kind, *given):\n"
        "    if kind == 'model':\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return append(self, kind, *given)\n"
        "RunWriter.append = dying\n"
        "run = wh.start_run(workspace=sys.argv[1])\n"
        "run.log_model('digits', os.urandom(100_000))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(home)],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        check=False,
    )
    assert done.returncode == -9
    log(home, b"after")
    workspace = wh.open(home)
    assert [(model.version, model.load_bytes()) for model in workspace.models("digits")] == [
        (1, b"before"),
        (3, b"after"),
    ]
    assert workspace.verify().holds


# parents


def test_parents_are_those_that_were_named_and_those_that_were_loaded(
    workspace: wh.Workspace, home: pathlib.Path
) -> None:
    workspace.set_alias("digits@2", "champion")
    base = workspace.model("digits@1")
    with wh.start_run(workspace=home) as run:
        workspace.model("digits@champion").load_bytes()
        base.load_bytes()
        run.log_model("small", b"small", parents={"digits@3": "distilled", "digits@1": "fine-tuned"})
    model = workspace.model("small")
    assert [(each.reference, each.how, each.model) for each in model.parents] == [
        ("digits@3", "distilled", workspace.model("digits@3")),
        ("digits@1", "fine-tuned", base),
        ("digits@2", "loaded", workspace.model("digits@2")),
    ]
    assert [workspace.model(f"digits@{number}").children for number in (1, 2, 3)] == [[model]] * 3
    assert [each.id for each in base.used_by] == [run.id]
    workspace.set_alias("digits@3", "champion")  # what was meant then stays what it was
    assert [each.reference for each in workspace.model("small").parents] == [
        "digits@3",
        "digits@1",
        "digits@2",
    ]


def test_a_parent_that_is_not_known_is_written_as_unknown(
    workspace: wh.Workspace, home: pathlib.Path
) -> None:
    elsewhere = "sha256:" + "ab" * 32
    log(home, b"x", "child", parents=["bert-base-uncased", "digits@99", f"bert@{elsewhere}", "nobody/digits"])
    found = workspace.model("child").parents
    assert [each.model for each in found] == [None] * 4
    assert [each.digest for each in found] == [None, None, elsewhere, None]
    trace = workspace.model("child").trace()
    assert not trace.complete
    assert sum("isn't here" in gap for gap in trace.gaps) == 4


def test_a_parent_named_by_its_digest_is_known_when_it_comes(
    home: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    log(tmp_path / "other", b"base", "base")
    base = wh.open(tmp_path / "other").model("base")
    log(home, b"child", "child", parents=base.digest)
    assert wh.open(home).model("child").parents[0].model is None
    shutil.copytree(tmp_path / "other/.whence/runs", home / ".whence/runs", dirs_exist_ok=True)
    merged = wh.open(home)
    assert merged.model("child").parents[0].model == merged.model("base")
    assert merged.model("base").children == [merged.model("child")]


@pytest.mark.parametrize("parents", [3, [3], {"a": 1}, {3: "x"}, [""], [b"digits"]])
def test_parents_of_another_form_are_refused(home: pathlib.Path, parents: Any) -> None:
    with wh.start_run(workspace=home) as run:
        with pytest.raises(InputError, match="parents"):
            run.log_model("digits", b"x", parents=parents)
        assert run.models == []


def test_a_model_logged_again_unchanged_is_no_circle(workspace: wh.Workspace, home: pathlib.Path) -> None:
    with wh.start_run(workspace=home) as run:
        run.log_model("digits", workspace.model("digits@1").load_bytes())
        run.log_model("digits", workspace.model("digits@latest").load_bytes())
    again = workspace.model("digits")
    assert [each.model.reference for each in again.descendants]
    assert {each.model for each in again.descendants} <= set(workspace.models())
    assert [each.model for each in workspace.model("digits@1").parents] == []
    assert again.trace().seen[0].model == again.reference


def test_a_forged_parent_is_told(workspace: wh.Workspace, home: pathlib.Path) -> None:
    """Whoever rewrites the body of an event doesn't know what the journal commits to."""
    run = log(home, b"child", "child", parents={"digits@1": "fine-tuned"})
    payloads = workspace.path / "runs" / run.id / "payloads"
    digest = bytes.fromhex(workspace.model("digits@1").digest.removeprefix("sha256:"))
    forged = bytes.fromhex(workspace.model("digits@2").digest.removeprefix("sha256:"))
    content = payloads.read_bytes()
    assert digest in content
    payloads.write_bytes(content.replace(digest, forged))
    again = wh.open(home)
    assert not again.verify().holds
    assert any(str(payloads) in finding.where for finding in again.verify().findings)
    (workspace.path / "catalog.sqlite").unlink()
    with pytest.raises(NotFoundError):
        wh.open(home).model("child")


def test_a_model_loaded_before_a_run_died_is_a_parent_of_what_it_logs_when_it_goes_on(
    workspace: wh.Workspace, home: pathlib.Path
) -> None:
    run = wh.start_run(workspace=home)
    workspace.model("digits@1").load_bytes()
    run.finish("failed")
    with wh.start_run(resume=run.id, workspace=home) as again:
        workspace.model("digits@1").load_bytes()
        again.log_model("tuned", b"tuned")
    assert [each.reference for each in workspace.model("tuned").parents] == ["digits@1"]
    assert len(again.record.journal.find("model_used")) == 1


def test_outside_a_run_loading_is_nobodys_business(workspace: wh.Workspace) -> None:
    workspace.model("digits@1").load_bytes()
    assert workspace.model("digits@1").used_by == []


# what a model saw


def test_a_model_knows_what_it_saw_when_it_was_logged(home: pathlib.Path) -> None:
    stream = (
        wh.from_items(list(range(20)), name="items").filter(lambda item: item != 3).batch(4).named("train")
    )
    other = wh.from_items([1, 2], name="test")
    with wh.start_run(workspace=home) as run:
        run.log_model("digits", b"fresh")
        stream.collect()
        epoch = iter(stream.epoch(1))
        next(epoch), next(epoch)
        run.log_model("digits", b"half")
        list(epoch)
        other.collect()
        run.log_model("digits", b"whole")
    workspace = wh.open(home)
    fresh, half, whole = (model.trace() for model in workspace.models("digits"))
    assert (fresh.seen[0].passes, fresh.seen[0].sources, fresh.complete) == ([], [], False)
    told = [(each.stream, each.epoch, each.outputs, each.samples, each.whole) for each in half.seen[0].passes]
    assert told == [("train", 0, 5, 19, True), ("train", 1, 2, 8, False)]
    assert [each.name for each in half.seen[0].sources] == ["items"]
    assert (half.seen[0].samples, half.complete) == (27, True)
    assert [each.samples for each in whole.seen[0].passes] == [19, 19, 2]
    assert [each.name for each in whole.seen[0].sources] == ["items", "test"]


def test_impact_names_the_versions_that_saw_a_row_and_those_made_from_them(home: pathlib.Path) -> None:
    with wh.start_run("base", workspace=home) as run:
        wh.from_items([1, 2, 3], name="items").collect()
        run.log_model("base", b"base")
    workspace = wh.open(home)
    with wh.start_run("tune", workspace=home) as run:
        workspace.model("base").load_bytes()
        wh.from_items([7, 8], name="others").collect()
        run.log_model("tuned", b"tuned")
    log(home, b"small", "small", parents={"tuned": "distilled"})
    log(home, b"apart", "apart")
    found = workspace.impact("items", rows=[1])
    assert (found.models, found.versions) == (["base"], ["base@1"])
    assert found.indirect == [
        {"model": "tuned@1", "how": "loaded", "through": "base@1"},
        {"model": "small@1", "how": "distilled", "through": "tuned@1"},
    ]
    assert workspace.impact("others", rows=[0]).indirect == [
        {"model": "small@1", "how": "distilled", "through": "tuned@1"}
    ]
    assert workspace.impact("items", rows=[9]).versions == []
    trace = workspace.model("small").trace()
    assert [(each.model, each.how, each.samples) for each in trace.seen] == [
        ("small@1", "", 0),
        ("tuned@1", "distilled", 2),
        ("base@1", "loaded", 3),
    ]
    assert trace.complete


# artifacts


def test_an_artifact_is_opened_by_its_run_and_noted_where_it_is_read(
    home: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "plot.png").write_bytes(LARGE)
    with wh.start_run(workspace=home) as run:
        run.log_artifact(tmp_path / "plot.png", "plots/a.png")
        run.log_text("said", "words.txt")
        run.log_artifact(a_folder(tmp_path / "hub"), "snapshot")
    workspace = wh.open(home)
    artifact = workspace.artifact(f"{run.name}/plots/a.png")
    assert (artifact.load_bytes(), artifact.media_type) == (LARGE, "image/png")
    assert workspace.artifact(f"{run.id}/words.txt").load_bytes() == b"said"
    assert len(workspace.artifact(f"{run.id}/snapshot").files) == 3
    with wh.start_run(workspace=home) as reader:
        artifact.load_bytes()
        artifact.save_to(tmp_path / "copy.png")
    (noted,) = reader.record.journal.find("artifact_used")
    assert noted.body is not None
    assert (noted.body["name"], noted.body["run"]) == ("plots/a.png", run.id)
    for reference in ("words.txt", f"{run.name}/none", "nobody/words.txt", f"{run.name}/"):
        with pytest.raises(NotFoundError):
            workspace.artifact(reference)


def test_a_thousand_small_files_are_a_handful_on_the_disk(home: pathlib.Path) -> None:
    with wh.start_run(workspace=home) as run:
        for number in range(1000):
            run.log_text(f"{number} " * 50, f"{number}.txt")
    files = [path for path in (home / ".whence").rglob("*") if path.is_file()]
    in_ledger = [path for path in files if "ledger" in str(path.relative_to(home))]
    assert len(files) - len(in_ledger) < 12
    assert len(in_ledger) < 20
    assert len(run.artifacts) == 1000
    assert wh.open(home).artifact(f"{run.id}/999.txt").load_bytes() == b"999 " * 50


def test_models_of_a_run_that_goes_on_are_found_each_time(home: pathlib.Path) -> None:
    """Also where the run has no parameter, metric or tag, by which it would be known again."""
    with wh.start_run(workspace=home) as run:
        workspace, other = wh.open(home), wh.open(home)
        for number in range(1, 4):
            run.log_model("digits", b"%d" % number)
            for each in (workspace, other):
                assert [model.version for model in each.models("digits")] == list(range(1, number + 1))
        file = (home / ".whence" / "catalog.sqlite").stat().st_ino
        run.log_model("digits", b"once more")
        assert len(workspace.models()) == 4
        assert (home / ".whence" / "catalog.sqlite").stat().st_ino == file


def test_a_model_is_found_without_opening_the_other_runs(
    workspace: wh.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.summaries()
    opened: list[str] = []
    read = RunRecord.read.__func__  # type: ignore[attr-defined]

    def counting(kind: Any, folder: Any, run_id: str) -> Any:
        opened.append(run_id)
        return read(kind, folder, run_id)

    monkeypatch.setattr(RunRecord, "read", classmethod(counting))
    model = wh.open(workspace.path).model("digits@2")
    assert (model.load_bytes(), opened) == (b"weights 1", [])
