"""Which files are meant, in which order, and what is said when they aren't there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.rooms.sources.listening import samples_of
from whence.errors import SourceError
from whence.sources import File, FilesSource, Given, TextSource


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    for way in ["3/b.png", "3/a.png", "10/c.png", "10/deep/d.png", "3/notes.txt", ".git/x.png", "3/.e.png"]:
        file = tmp_path / "digits" / way
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(way)
    return tmp_path / "digits"


def paths(given: object) -> list[str]:
    return FilesSource.of(given).listing().paths  # type: ignore[arg-type]  # wrong ones are tried too


def files_of(given: Given) -> list[File]:
    return samples_of(FilesSource.of(given))


def test_two_stars_stand_for_any_folders_between(digits: Path) -> None:
    assert paths(f"{digits}/**/*.png") == ["10/c.png", "10/deep/d.png", "3/a.png", "3/b.png"]


def test_one_star_stays_within_a_name(digits: Path) -> None:
    assert paths(f"{digits}/*/*.png") == ["10/c.png", "3/a.png", "3/b.png"]


def test_stars_at_the_end_mean_all_files_below(digits: Path) -> None:
    assert paths(f"{digits}/**") == paths(digits)


def test_two_pairs_of_stars_name_no_file_twice(digits: Path) -> None:
    assert paths(f"{digits}/**/deep/**/*") == ["10/deep/d.png"]


def test_a_folder_means_all_files_that_are_not_hidden(digits: Path) -> None:
    assert paths(digits) == ["10/c.png", "10/deep/d.png", "3/a.png", "3/b.png", "3/notes.txt"]


def test_hidden_files_are_found_by_a_pattern_with_a_dot(digits: Path) -> None:
    assert paths(f"{digits}/3/.*") == [".e.png"]


def test_the_root_is_what_stands_before_the_pattern(digits: Path) -> None:
    assert FilesSource.of(f"{digits}/3/*.png").listing().root == f"{digits}/3"


def test_a_list_keeps_its_order_and_shares_the_deepest_folder(digits: Path) -> None:
    listing = FilesSource.of([digits / "3/b.png", digits / "10/c.png", f"{digits}/3/a*"]).listing()
    assert (listing.root, listing.paths) == (str(digits), ["3/b.png", "10/c.png", "3/a.png"])


def test_relative_paths_stay_relative(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(digits)
    assert [file.path for file in files_of("3/*.png")] == ["3/a.png", "3/b.png"]
    assert [file.path for file in files_of("./3/a.png")] == ["3/a.png"]
    assert [file.path for file in files_of(["3/a.png", "10/c.png"])] == ["3/a.png", "10/c.png"]
    assert [file.path for file in files_of(["3/a.png", str(digits / "3/b.png")])] == [
        "3/a.png",
        f"{digits}/3/b.png",
    ]
    assert "3/a.png" in [file.path for file in files_of(".")]


def test_a_path_that_exists_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").write_text("x")
    (tmp_path / "a1.txt").write_text("y")
    assert paths(tmp_path / "a[1].txt") == ["a[1].txt"]


def test_a_link_to_a_folder_is_followed_but_not_in_a_circle(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "m.png").write_text("m")
    (digits / "linked").symlink_to(tmp_path / "more")
    (digits / "3" / "up").symlink_to(digits)
    assert paths(f"{digits}/**/*.png") == ["10/c.png", "10/deep/d.png", "3/a.png", "3/b.png", "linked/m.png"]


@pytest.mark.parametrize(
    ("given", "name"),
    [("mnist/**/*.png", "mnist"), ("mnist", "mnist"), ("mnist/3/a.png", "a"), ("*/*/*.png", "files")],
)
def test_the_name_is_made_from_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist/3").mkdir(parents=True)
    (tmp_path / "mnist/3/a.png").write_text("a")
    assert FilesSource.of(given).name == name
    assert FilesSource.of(given, name="mine").name == "mine"


@pytest.mark.parametrize("given", ["nowhere.png", "nowhere/", "nowhere/*.png"])
def test_a_missing_path_is_named(tmp_path: Path, given: str) -> None:
    with pytest.raises(SourceError, match="nowhere") as caught:
        FilesSource.of(tmp_path / given)
    assert "nowhere" in caught.value.place
    assert caught.value.remedy


def test_a_pattern_that_matches_nothing_is_named(digits: Path) -> None:
    with pytest.raises(SourceError, match=r"no file matches .*digits/\*\*/\*\.jpg"):
        FilesSource.of(f"{digits}/**/*.jpg")


@pytest.mark.parametrize("given", ["/empty", "", []])
def test_nothing_at_all_is_refused(tmp_path: Path, given: str | list[str]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError):
        FilesSource.of(f"{tmp_path}{given}" if given == "/empty" else given)


@pytest.mark.parametrize("url", ["s3://bucket/key", "https://example.org/x.csv", "hf://datasets/x"])
def test_a_url_is_said_to_be_unsupported(url: str) -> None:
    with pytest.raises(SourceError, match=url.split(":", maxsplit=1)[0]) as caught:
        FilesSource.of([url])
    assert caught.value.remedy


def test_a_path_of_bytes_is_refused() -> None:
    with pytest.raises(SourceError, match="bytes"):
        paths([b"x.png"])


def test_a_file_in_place_of_a_folder_is_named(digits: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.png"):
        FilesSource.of(digits / "3/a.png" / "*.png")


def test_a_folder_in_place_of_a_document_is_refused_with_a_pattern_to_use(digits: Path) -> None:
    with pytest.raises(SourceError, match=r"is a folder") as caught:
        TextSource.of(digits)
    assert f"{digits}/*.txt" in caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(digits: Path) -> None:
    (digits / "3").chmod(0)
    try:
        with pytest.raises(SourceError, match="may not be read"):
            FilesSource.of(f"{digits}/**/*.png")
    finally:
        (digits / "3").chmod(0o700)
