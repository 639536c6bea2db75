"""Reads a page as a browser would, strictly: every element closed, every id and address collected."""

from __future__ import annotations

import html.parser
from dataclasses import dataclass, field

_VOID = {"meta", "img", "br", "link", "input", "hr"}


@dataclass(slots=True)
class Element:
    """An element with its attributes and the text in it, children included."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)


class Page(html.parser.HTMLParser):
    """A parsed page; raises `AssertionError` where it isn't well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {[element.tag for element in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {tag} {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of a tag whose attributes hold these words (`class_` for class)."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.tag == tag
            and all(value in element.attributes.get(name, "").split() for name, value in wanted.items())
        ]

    def ids(self) -> list[str]:
        """Every id, in order."""
        return [element.attributes["id"] for element in self.elements if "id" in element.attributes]

    def table(self, caption: str) -> dict[str, list[str]]:
        """The rows of the table with a caption, by the words of their first cell."""
        start = next(
            place
            for place, element in enumerate(self.elements)
            if element.tag == "caption" and element.text.strip() == caption
        )
        found: dict[str, list[str]] = {}
        name = ""
        for element in self.elements[start:]:
            if element.tag == "table":
                break
            if element.tag == "th" and element.attributes.get("scope") == "row":
                name = _first_words(element)
                found[name] = []
            elif element.tag == "td" and name:
                found[name].append(_first_words(element))
        return found


def _first_words(element: Element) -> str:
    return element.text.strip()
