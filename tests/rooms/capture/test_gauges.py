"""What is used is read from the system; what it doesn't tell is left out."""

from __future__ import annotations

import os
import pathlib
import stat
from dataclasses import dataclass, field

import pytest

from whence.capture.cards import find_cards
from whence.capture.gauges import Energy, Gauges, find_counters


@dataclass
class Ticking:
    """A clock that moves when it is told."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Counting:
    """A counter of energy that says what it is told."""

    name: str = "package-0"
    end_uj: int = 1_000
    values: list[int] = field(default_factory=list)

    def read_uj(self) -> int:
        return self.values.pop(0)


def test_this_process_and_this_machine_are_read() -> None:
    clock = Ticking()
    gauges = Gauges(cards=[], counters=[], clock=clock)
    sum(range(2_000_000))
    clock.now = 0.01
    found = gauges.read()
    assert found["system/process_memory_bytes"] > 5_000_000
    assert found["system/process_cpu_cores"] >= 0
    assert 0 < found["system/memory_used_share"] <= 1
    assert found["system/cpu_cores"] >= 0
    assert all(name.startswith("system/") for name in found)


def test_a_rate_is_what_came_since_the_reading_before(tmp_path: pathlib.Path) -> None:
    clock = Ticking()
    gauges = Gauges(cards=[], counters=[], clock=clock)
    with (tmp_path / "written").open("wb") as file:
        file.write(bytes(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    clock.now = 2.0
    found = gauges.read()
    if "system/process_disk_written_bytes_per_s" in found:  # not told on every system
        assert found["system/process_disk_written_bytes_per_s"] >= 0
    clock.now = 4.0
    assert gauges.read()["system/process_cpu_cores"] >= 0


def test_no_time_between_two_readings_gives_no_rate() -> None:
    gauges = Gauges(cards=[], counters=[], clock=Ticking())
    assert "system/process_cpu_cores" not in gauges.read()


def test_a_counter_that_began_again_is_counted_on() -> None:
    gauges = Gauges(cards=[], counters=[Counting(values=[900, 950, 50])], clock=Ticking())
    gauges.read()
    gauges.read()
    (energy,) = gauges.energy()
    assert energy == Energy(
        of="package-0", joules=150 / 1e6, how="measured", by="powercap, the whole package"
    )
    assert energy.to_plain()["how"] == "measured"


def test_counters_are_found_where_they_may_be_read(tmp_path: pathlib.Path) -> None:
    for name, end in (("intel-rapl:0", "262143328850"), ("intel-rapl:1", "none")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text("package-0\n")
        (folder / "max_energy_range_uj").write_text(end)
        (folder / "energy_uj").write_text("123456\n")
    (found,) = find_counters(tmp_path)
    assert (found.name, found.read_uj(), found.end_uj) == ("package-0", 123456, 262143328850)
    assert find_counters(tmp_path / "nothing") == []


@pytest.fixture
def driver(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A driver's command that answers as the real one does, for two cards."""
    path = tmp_path / "card-smi"
    path.write_text(
        "#!/bin/sh\n"
        'echo "$1" | grep -q "^--query-gpu=name,utilization.gpu,memory.used" || exit 9\n'
        "echo 'NVIDIA H200, 50, 1024, 41, 300.50'\n"
        "echo 'NVIDIA T4, 0, 0, 30, [N/A]'\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return path


def test_cards_tell_their_load_and_the_energy_is_estimated(driver: pathlib.Path) -> None:
    clock = Ticking()
    gauges = Gauges(cards=find_cards(driver.name), counters=[], clock=clock)
    clock.now = 10.0
    found = gauges.read()
    assert found["system/gpu0_busy_share"] == 0.5
    assert found["system/gpu0_memory_bytes"] == 1024 * 1024 * 1024
    assert found["system/gpu0_watts"] == 300.5
    assert found["system/gpu1_celsius"] == 30
    assert "system/gpu1_watts" not in found
    (energy,) = gauges.energy()
    assert energy == Energy(of="NVIDIA H200", joules=3005.0, how="estimated", by="power at each reading")


def test_a_driver_that_fails_later_takes_nothing_else_away(driver: pathlib.Path) -> None:
    clock = Ticking()
    cards = find_cards(driver.name)
    gauges = Gauges(cards=cards, counters=[], clock=clock)
    driver.write_text("#!/bin/sh\nexit 1\n")
    cards[0].read()  # what was asked a moment ago still serves
    clock.now = 5.0
    assert "system/process_memory_bytes" in gauges.read()


def test_without_a_driver_there_are_no_cards() -> None:
    assert find_cards("no-such-command") == []
