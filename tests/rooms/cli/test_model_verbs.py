"""Models on the command line: listed, named, staged, shown, traced and copied out."""

from __future__ import annotations

import pathlib
import pickle

import pytest

import whence as wh
from tests.rooms.cli.commands import ask, whence


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("WHENCE_ACTOR", "Ada Lovelace")
    with wh.start_run("base", workspace=tmp_path) as run:
        wh.from_items([1, 2, 3], name="items").batch(2).collect()
        run.log_model("digits", b"first", metadata={"layers": 3})
        signature = {"inputs": [{"name": "x", "dtype": "float32", "shape": [None, 4]}]}
        run.log_model("digits", pickle.dumps([1]), signature=signature)
        run.log_text("said", "words/first.txt")
    workspace = wh.open(tmp_path)
    with wh.start_run("tune", workspace=tmp_path) as run:
        workspace.model("digits@2").load_bytes()
        run.log_model("small", b"small", parents=["bert-base"])
    return tmp_path


def test_models_are_listed_newest_first_and_pickles_are_marked(place: pathlib.Path) -> None:
    assert ask("alias", "digits@1", "champion", "--note", "best", cwd=place).code == 0
    done = ask("models", cwd=place)
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == ["digits@2", "small@1"]
    value = ask("models", "digits", "--json", cwd=place).value
    assert [(each["version"], each["aliases"], each["unsafe"]) for each in value["models"]] == [
        (2, [], True),
        (1, ["champion"], False),
    ]
    assert set(value["models"][0]) == {
        "name", "version", "reference", "aliases", "stage", "digest", "bytes", "format", "unsafe",
        "logged_at", "run",
    }  # fmt: skip
    assert "unsafe" in done.out
    assert ask("models", "letters", cwd=place).code == 3


def test_an_empty_workspace_has_no_models(tmp_path: pathlib.Path) -> None:
    done = ask("models", cwd=tmp_path)
    assert (done.code, "whence demo" in done.out) == (0, True)
    assert ask("models", "--json", cwd=tmp_path).value == {"models": [], "damaged": []}
    assert not (tmp_path / ".whence").exists()


def test_a_damaged_decision_is_named_in_the_list(place: pathlib.Path) -> None:
    ask("alias", "digits@1", "champion", cwd=place)
    (path,) = (place / ".whence" / "registry").iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    path.write_bytes(path.read_bytes()[:20] + b"x" + path.read_bytes()[21:])
    done = ask("models", cwd=place)
    assert str(path.name) in done.out.replace("\n", "").replace(" ", "")
    assert ask("verify", cwd=place).code == 1


def test_aliases_and_stages_are_set_and_taken_away(place: pathlib.Path) -> None:
    assert ask("alias", "digits@1", "champion", "--json", cwd=place).value["aliases"] == ["champion"]
    assert ask("stage", "digits@champion", "production", "--note", "go", "--json", cwd=place).value[
        "stage"
    ] == ("production")
    assert ask("show", "digits@stage:production", "--json", cwd=place).value["version"] == 1
    assert ask("alias", "digits@champion", "--remove", "--json", cwd=place).value["aliases"] == []
    assert ask("stage", "digits@1", "--remove", "--json", cwd=place).value["stage"] is None
    shown = ask("show", "digits@1", cwd=place).out
    for part in ("Ada Lovelace", "production", "go", "lost the alias", "none"):
        assert part in shown
    history = ask("show", "digits@1", "--json", cwd=place).value["history"]
    assert [each["kind"] for each in history] == ["alias", "stage", "alias_removed", "stage"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["alias", "digits@1"], 2),
        (["alias", "digits@1", "champion", "--remove"], 2),
        (["alias", "digits@1", "a/b"], 2),
        (["alias", "digits@1", "3"], 2),
        (["alias", "digits@9", "champion"], 3),
        (["alias", "digits@1", "--remove"], 3),
        (["stage", "digits@1"], 2),
        (["stage", "digits@1", "a@b"], 2),
        (["stage", "letters", "production"], 3),
        (["get", "letters"], 3),
        (["get", "nobody/words.txt"], 3),
    ],
)
def test_what_can_not_be_done_is_said_and_changes_nothing(
    place: pathlib.Path, arguments: list[str], code: int
) -> None:
    done = ask(*arguments, cwd=place)
    assert done.code == code
    assert done.err.startswith("whence: ")
    assert not (place / ".whence" / "registry").exists()


def test_a_model_is_shown_with_all_that_is_known_of_it(place: pathlib.Path) -> None:
    text = ask("show", "digits@2", cwd=place).out
    for part in (
        "pickle",
        "unsafe",
        "runs whatever code",
        "x: float32[?, 4]",
        "small@1",
        "loaded",
        "3 samples",
    ):
        assert part in text, part
    made_by = ask("show", "digits@2", "--json", cwd=place).value["run"]["name"]
    assert "pickle  unsafe" in ask("show", made_by, cwd=place).out
    child = ask("show", "small", cwd=place).out
    for part in ("digits@2", "bert-base", "unknown here"):
        assert part in child, part
    value = ask("show", "small", "--json", cwd=place).value
    assert [(each["model"], each["how"]) for each in value["parents"]] == [
        (None, "derived"),
        ("digits@2", "loaded"),
    ]
    assert any("bert-base" in gap for gap in value["gaps"])


def test_a_model_is_traced_to_what_it_and_its_parents_saw(place: pathlib.Path) -> None:
    value = ask("trace", "small@1", "--json", cwd=place).value
    assert [(each["model"], each["how"], each["samples"]) for each in value["seen"]] == [
        ("small@1", "", 0),
        ("digits@2", "loaded", 3),
    ]
    assert value["complete"] is False
    text = ask("trace", "small", cwd=place).out
    for part in ("loaded from digits@2", "items", "epoch 0", "bert-base", "unknown"):
        assert part in text, part
    assert ask("trace", "digits@2:0", cwd=place).code == 3
    assert ask("trace", "letters@1", cwd=place).code == 3


def test_impact_names_versions_and_what_was_made_from_them(place: pathlib.Path) -> None:
    value = ask("impact", "items:1", "--json", cwd=place).value
    assert (value["models"], value["versions"]) == (["digits"], ["digits@1", "digits@2"])
    assert value["indirect"] == [{"model": "small@1", "how": "loaded", "through": "digits@2"}]
    text = ask("impact", "items:1", cwd=place).out
    for part in ("digits@2", "made from those models", "small@1", "loaded"):
        assert part in text, part


def test_content_is_copied_out_once_and_a_pickle_warns(place: pathlib.Path) -> None:
    done = whence("get", "digits@2", "--out", "model.pkl", cwd=place)
    assert (done.code, pickle.loads((place / "model.pkl").read_bytes())) == (0, [1])
    assert "runs whatever code" in done.err
    again = whence("get", "digits@2", "--out", "model.pkl", cwd=place)
    assert (again.code, "is there already" in again.err) == (2, True)
    value = ask("get", "digits@1", "--json", cwd=place).value
    assert (value["path"], (place / "digits").read_bytes()) == ("digits", b"first")
    run = ask("show", "digits@1", "--json", cwd=place).value["run"]["name"]
    assert ask("get", f"{run}/words/first.txt", cwd=place).code == 0
    assert (place / "first.txt").read_text() == "said"
    assert ask("get", f"{run}/digits@1", "--out", "again", cwd=place).code == 0


def test_damaged_content_is_evidence_and_nothing_is_left(place: pathlib.Path) -> None:
    with wh.start_run(workspace=place) as run:
        run.log_model("large", bytes(range(256)) * 1000)
    (path,) = (each for each in (place / ".whence" / "objects").rglob("*") if each.is_file())
    path.write_bytes(path.read_bytes()[:-1])
    done = ask("get", "large", cwd=place)
    assert done.code == 1
    assert str(path) in done.err
    assert not (place / "large").exists()
