"""A page of several runs: what differs, side by side, and each metric in one plot."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import whence as wh
from tests.rooms.documents.pages import Page
from whence.documents import write_comparison
from whence.documents.overlays import overlay
from whence.errors import InputError
from whence.runs import History, RunRecord


def below(value: int, limit: int) -> bool:
    return value < limit


def recorded(workspace: pathlib.Path, *, lr: float, limit: int = 15, metric: str = "loss") -> RunRecord:
    with wh.start_run(f"lr {lr}", params={"lr": lr, "seed": 7}, workspace=workspace) as run:
        numbers = wh.from_items(range(20), name="numbers").filter(below, limit=limit, reason="too large")
        for step, _ in enumerate(numbers.batch(4)):
            run.log_metric(metric, lr / (step + 1))
        run.log_model("model", str(lr).encode())
    return run.record


def written(records: list[RunRecord], folder: pathlib.Path) -> Page:
    return Page(write_comparison(records, folder / "comparison.html").read_text(encoding="utf-8"))


def text_of(page: Page) -> str:
    (body,) = page.all("body")
    return body.text


def history(values: list[float], steps: list[int] | None = None) -> History:
    counted = np.arange(len(values)) if steps is None else np.array(steps)
    return History(step=counted.astype(np.int64), value=np.array(values), at=counted.astype(np.int64))


def test_what_differs_stands_side_by_side_and_the_rest_is_counted(tmp_path: pathlib.Path) -> None:
    records = [recorded(tmp_path / "w", lr=lr, limit=limit) for lr, limit in ((0.1, 15), (0.2, 12))]
    page = written(records, tmp_path)
    for record in records:
        assert record.name in text_of(page)
        assert record.id in text_of(page)
    assert "0.1" in text_of(page)
    assert "0.2" in text_of(page)
    assert "1 parameter the same in all" in text_of(page)
    assert "limit" in text_of(page)  # a parameter of an operation
    assert "too large" in text_of(page)
    assert "the records hold" in text_of(page)


def test_the_page_needs_neither_network_nor_script(tmp_path: pathlib.Path) -> None:
    page = written([recorded(tmp_path / "w", lr=lr) for lr in (0.1, 0.2)], tmp_path)
    assert not page.all("script")
    assert not page.all("link")
    links = [element.attributes["href"] for element in page.elements if "href" in element.attributes]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not [element for element in page.elements if "src" in element.attributes]


def test_what_users_wrote_is_escaped(tmp_path: pathlib.Path) -> None:
    records = [recorded(tmp_path / "w", lr=lr, metric="<img src=x onerror=alert(1)>") for lr in (0.1, 0.2)]
    path = write_comparison(records, tmp_path / "comparison.html")
    assert "<img src=x" not in path.read_text(encoding="utf-8")


def test_the_same_records_give_the_same_bytes(tmp_path: pathlib.Path) -> None:
    records = [recorded(tmp_path / "w", lr=lr) for lr in (0.1, 0.2)]
    first = write_comparison(records, tmp_path / "a.html").read_bytes()
    assert write_comparison(records, tmp_path / "b.html").read_bytes() == first


@pytest.mark.parametrize("count", [0, 1, 13])
def test_too_few_or_too_many_runs_are_refused(tmp_path: pathlib.Path, count: int) -> None:
    record = recorded(tmp_path / "w", lr=0.1)
    with pytest.raises(InputError, match="wanted 2 to 12"):
        write_comparison([record] * count, tmp_path / "comparison.html")


def test_a_run_named_twice_is_refused(tmp_path: pathlib.Path) -> None:
    record = recorded(tmp_path / "w", lr=0.1)
    with pytest.raises(InputError, match="named twice"):
        write_comparison([record, record], tmp_path / "comparison.html")


def test_a_run_with_a_gap_says_so(tmp_path: pathlib.Path) -> None:
    records = [recorded(tmp_path / "w", lr=lr) for lr in (0.1, 0.2)]
    (records[0].journal.path / "forked").touch()
    page = written([RunRecord.read(records[0].folder, records[0].id), records[1]], tmp_path)
    assert "forked" in text_of(page)


def test_curves_of_runs_share_their_axes() -> None:
    plot = overlay("loss", [history([0.0, 1.0]), history([10.0, 5.0])])
    assert [curve.run for curve in plot.curves] == [0, 1]
    (_, low), _ = plot.curves[0].dots
    (_, high), _ = plot.curves[1].dots
    assert low > high  # of the page, downwards
    assert plot.y_ticks[0].text == "0"
    assert float(plot.y_ticks[-1].text) >= 10


def test_a_peak_of_a_long_curve_is_drawn() -> None:
    values = np.zeros(100_000)
    values[43_210] = 7.0
    plot = overlay("loss", [history(values.tolist()), history([1.0, 2.0])])
    top = min(tick.at for tick in plot.y_ticks if float(tick.text) >= 7)
    heights = [float(pair.split()[1]) for pair in plot.curves[0].path.replace("M", "L").split("L") if pair]
    assert min(heights) <= top + (plot.y_ticks[0].at - top) * 0.2
    assert len(heights) < 1_000
    assert any("stretches" in note for note in plot.notes)


def test_a_run_without_the_metric_has_no_curve_and_one_of_nan_says_so() -> None:
    plot = overlay("loss", [None, history([float("nan"), float("nan")]), history([1.0, float("inf"), 2.0])])
    assert [curve.run for curve in plot.curves] == [2]
    assert [reading.run for reading in plot.readings] == [1, 2]
    assert plot.readings[0].last == "NaN"
    assert any("gaps" in note for note in plot.notes)
    assert plot.curves[0].path.count("M") == 2


def test_a_metric_that_is_nowhere_a_number_has_no_picture() -> None:
    assert overlay("loss", [history([float("nan")]), None]).curves == []
