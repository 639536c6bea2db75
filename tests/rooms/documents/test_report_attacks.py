"""Nothing that a user, a file or an error puts into a record becomes markup, a script or an address."""

from __future__ import annotations

import base64
import os
import pathlib
import shlex
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.documents.pages import Page
from whence.documents import write_report
from whence.documents.wording import command_text, shown, shown_lines

_ATTACK = (
    "</title></style></textarea><script>alert(1)</script><img src=http://evil/x onerror=alert(2)>\"'&{{7*7}}"
)
_STREAM = _ATTACK.translate(dict.fromkeys(map(ord, "/@#:.")))
_NAME = "<img src=x onerror=alert(1)>\"'&;$(id)"


def attacked(file: Any) -> dict[str, Any]:
    text = file.read().decode()
    if text == "2":
        raise ValueError(_ATTACK)
    return {_ATTACK: _ATTACK, "svg": b"<svg onload=alert(3)>", "value": text}


@pytest.fixture
def page(tmp_path: pathlib.Path) -> str:
    folder = tmp_path / _NAME
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}{_NAME}.png").write_text(str(number))
    (folder / "5\u202egnp.exe\n.txt").write_text("2")
    (folder / os.fsdecode(b"6\xff.txt")).write_text("2")
    stream = (
        wh.from_files(str(folder), name=_STREAM)
        .map(attacked, on_error="quarantine", name=_ATTACK)
        .filter(bool, reason=_ATTACK)
        .batch(2, collate=list)
    )
    with wh.start_run(
        _ATTACK, params={_ATTACK: _ATTACK}, tags={_ATTACK: [_ATTACK]}, workspace=tmp_path
    ) as run:
        for epoch in range(2):
            list(stream.named(_STREAM).epoch(epoch))
        run.log_metrics({_ATTACK: 1.0})
        run.log_metrics({_ATTACK: 2.0})
        run.log_note(_ATTACK)
        run.log_text("x", _ATTACK)
        run.log_model("m", b"x", metadata={_ATTACK: _ATTACK})
    target = write_report(run.record, tmp_path / "report.html")
    return target.read_text(encoding="utf-8")


def test_no_text_of_the_record_becomes_an_element(page: str) -> None:
    parsed = Page(page)
    assert not parsed.all("script")
    assert {image.attributes["src"][:11] for image in parsed.all("img")} <= {"data:image/"}
    assert not [name for element in parsed.elements for name in element.attributes if name.startswith("on")]
    assert "49" not in parsed.all("h1")[0].text
    assert "<script>" in parsed.all("h1")[0].text
    assert "<script" not in page.lower()
    assert "onload=alert(3)" not in page


def test_signs_that_hide_or_turn_text_are_spelled(page: str) -> None:
    assert "\u202e" not in page
    assert "\\u202e" in page
    assert "\\udcff" in page


def test_a_page_is_valid_utf8_whatever_the_names(page: str) -> None:
    assert page.encode("utf-8").decode("utf-8") == page


@given(st.text(max_size=60))
def test_shown_text_has_no_sign_that_cannot_be_seen_and_is_bounded(text: str) -> None:
    for found in (shown(text, 20), shown_lines(text, 20)):
        assert all(char.isprintable() or char in "\n\u00a0\u3000" or char.isspace() for char in found)
    assert len(shown(text.replace("\\", ""), 20)) <= 20 * 8


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20), min_size=1
    )
)
def test_a_command_means_the_same_words_to_a_shell(words: list[str]) -> None:
    text = command_text(["printf", "%s\\0", *words])
    said = subprocess.run(["bash", "-c", text], capture_output=True, check=True).stdout
    assert said.decode().split("\0")[:-1] == words


def test_an_ordinary_command_is_written_as_one_would_type_it() -> None:
    words = ["whence", "impact", "data/a b.png"]
    assert command_text(words) == shlex.join(words)


def test_an_image_keeps_no_word_of_its_metadata(tmp_path: pathlib.Path) -> None:
    images = pytest.importorskip("PIL.Image")
    picture = images.new("RGB", (8, 8), "red")
    exif = images.Exif()
    exif[0x010E] = "secret place"
    (tmp_path / "data").mkdir()
    picture.save(tmp_path / "data" / "a.jpg", exif=exif, comment=b"secret comment")
    with wh.start_run(workspace=tmp_path) as run:
        list(wh.from_files(str(tmp_path / "data")))
    page = Page(write_report(run.record, tmp_path / "r.html").read_text(encoding="utf-8"))
    (image,) = page.all("img")
    assert b"secret" not in base64.b64decode(image.attributes["src"].partition(",")[2])
