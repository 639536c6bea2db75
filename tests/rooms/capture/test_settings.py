"""What is recorded and how much memory is used are settings, for good or within a block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import whence as wh
from whence.capture import memory_budget_bytes, record_mode, sampling_period_s
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
    assert repr(wh.config()) == "whence.config(record='lineage', memory='1GiB')"


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


@pytest.mark.parametrize(
    ("memory", "count", "shown"),
    [
        ("2GB", 2_000_000_000, "2GB"),
        ("512MB", 512_000_000, "512MB"),
        ("1.5GiB", 1_610_612_736, "1536MiB"),
        (" 64 kib ", 65_536, "64KiB"),
        ("0.1KB", 100, 100),
        ("7b", 7, 7),
        (4_096, 4_096, "4KiB"),
        (1, 1, 1),
        (np.int64(3_000), 3_000, "3KB"),
    ],
)
def test_memory_is_told_in_bytes_or_in_words(memory: int | str, count: int, shown: int | str) -> None:
    with wh.config(memory=memory) as configured:
        assert memory_budget_bytes() == configured.memory_bytes == count
        assert repr(configured) == f"whence.config(record='full', memory={shown!r})"
    assert memory_budget_bytes() == 1 << 30


@pytest.mark.parametrize(
    "memory",
    ["", "2", "2G", "GB", "-1GB", "1e9B", "0GB", "0.1B", "2 IB", "2GBs", "²GB", 0, -5, 1.5, True, [1]],
)
def test_what_is_no_amount_of_memory_is_refused_and_changes_nothing(memory: object) -> None:
    with pytest.raises(PlanError, match="memory=") as caught:
        wh.config(record="off", memory=memory)  # type: ignore[arg-type]
    assert "2GB" in caught.value.remedy
    assert memory_budget_bytes() == 1 << 30
    assert record_mode() == "full"


def test_a_setting_left_out_stays_what_it_was() -> None:
    wh.config(memory="1MB")
    wh.config(record="lineage")
    assert (memory_budget_bytes(), record_mode()) == (1_000_000, "lineage")


def test_how_often_the_gauges_are_read_is_a_setting() -> None:
    assert sampling_period_s() == 15.0
    with wh.config(sample_every_s=0.5) as settings:
        assert sampling_period_s() == settings.sample_every_s == 0.5
        assert "sample_every_s=0.5" in repr(settings)
    wh.config(sample_every_s=0)
    assert sampling_period_s() == 0


@pytest.mark.parametrize("period", [-1, 0.01, float("nan"), "15s", True, 100_000])
def test_what_is_no_time_between_readings_is_refused(period: object) -> None:
    with pytest.raises(PlanError, match="seconds"):
        wh.config(sample_every_s=period)  # type: ignore[arg-type]  # on purpose
    assert sampling_period_s() == 15.0
