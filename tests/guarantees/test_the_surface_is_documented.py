"""Every public name and every method that users call stands on the reference page."""

from __future__ import annotations

import pathlib
import re

import pytest

import whence as wh

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text()
DOCUMENTED = set(re.findall(r"^::: (\S+)", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", [name for name in wh.__all__ if name != "__version__"])
def test_a_public_name_is_on_the_reference_page(name: str) -> None:
    value = getattr(wh, name)
    if name == "draw":
        assert "whence.chance.draw" in DOCUMENTED
    elif name == "WhenceError":
        assert "whence.errors" in DOCUMENTED
    elif name.startswith("from_") and name != "from_dataset":
        assert "whence.streams.beginnings" in DOCUMENTED
        assert value.__module__ == "whence.streams.beginnings"
    else:
        rooms = ("streams", "workspace", "query", "capture", "integrations")
        documented_as = {f"whence.{room}.{name}" for room in rooms}
        assert documented_as & DOCUMENTED, f"{name} isn't on the page"


@pytest.mark.parametrize("owner", [wh.Stream, wh.Run, wh.Workspace, wh.Trace, wh.Impact, wh.Verdict])
def test_every_public_method_says_what_it_does(owner: type) -> None:
    silent = [
        name
        for name, value in vars(owner).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property)) and not value.__doc__
    ]
    assert silent == []


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        wh.no_such_name  # noqa: B018 - asked for on purpose
