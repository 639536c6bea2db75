"""What is recorded is one setting, for good or within a block."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import whence as wh
from whence.capture import record_mode
from whence.errors import PlanError


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    with wh.config():
        yield


def test_everything_is_recorded_unless_it_is_said_otherwise() -> None:
    assert record_mode() == "full"


def test_a_setting_stays_until_it_is_changed() -> None:
    wh.config(record="lineage")
    assert record_mode() == "lineage"
    assert wh.config().record == "lineage"
    assert repr(wh.config()) == "whence.config(record='lineage')"


def test_a_setting_within_a_block_goes_back_even_after_an_error() -> None:
    def fail() -> None:
        with wh.config(record="off") as configured:
            assert configured.record == record_mode() == "off"
            with wh.config(record="full"):
                assert record_mode() == "full"
            assert record_mode() == "off"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert record_mode() == "full"


@pytest.mark.parametrize("word", ["on", "", "FULL", 1, True])
def test_another_word_is_refused_and_changes_nothing(word: object) -> None:
    with pytest.raises(PlanError, match="full, lineage, off") as caught:
        wh.config(record=word)  # type: ignore[arg-type]
    assert "wh.config" in caught.value.remedy
    assert record_mode() == "full"
