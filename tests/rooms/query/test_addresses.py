"""Addresses: written and read again, and what isn't one is said not to be."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import InputError
from whence.query import Address, parse_address

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="/@#:"), min_size=1, max_size=8).filter(
    lambda word: word == word.strip()
)
NUMBERS = st.integers(0, 2**40)


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    batch = draw(st.none() | NUMBERS)
    return Address(
        run=draw(WORDS),
        stream=draw(st.none() | WORDS),
        epoch=draw(NUMBERS),
        repeat=draw(st.just(0) | NUMBERS),
        batch=batch,
        item=None if batch is None else draw(st.none() | NUMBERS),
    )


@given(addresses())
def test_an_address_is_read_as_it_was_written(address: Address) -> None:
    assert parse_address(str(address)) == address


@given(st.text(max_size=12))
def test_any_text_is_an_address_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        address = parse_address(text)
        assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("quiet-otter-17@2:17.5", Address(run="quiet-otter-17", epoch=2, batch=17, item=5)),
        ("r@0:3", Address(run="r", epoch=0, batch=3)),
        ("r@0", Address(run="r", epoch=0)),
        ("r/train@1#2:3.4", Address(run="r", stream="train", epoch=1, repeat=2, batch=3, item=4)),
        (" r@0:3 ", Address(run="r", epoch=0, batch=3)),
        ("r@007:01", Address(run="r", epoch=7, batch=1)),
    ],
)
def test_the_forms_of_an_address(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "r",
        "@1",
        "r@",
        "r@x",
        "r@-1",
        "r@1:",
        "r@1:2.",
        "r@1:2.3.4",
        "r@1.2",
        "r//s@1",
        "r/s/t@1",
        "r@1#",
        "r@1:2x",
        "r@1@2",
    ],
)
def test_what_is_not_an_address_is_quoted_in_the_error(text: str) -> None:
    with pytest.raises(InputError, match="not the address") as caught:
        parse_address(text)
    assert repr(text)[:20] in caught.value.message
    assert caught.value.exit_code == 2


def test_a_long_text_is_not_quoted_whole() -> None:
    with pytest.raises(InputError) as caught:
        parse_address("x" * 10_000)
    assert len(str(caught.value)) < 400


def test_digits_that_only_look_like_digits_are_refused_or_read_as_numbers() -> None:
    assert parse_address("r@٣").epoch == 3
    with pytest.raises(InputError):
        parse_address("r@²")
