"""The page of a run says what the record says, and needs nothing but itself."""

from __future__ import annotations

import itertools
import pathlib
import re
import stat

import pytest

import whence as wh
from tests.rooms.documents import pipelines
from tests.rooms.documents.pages import Page
from whence.documents import write_report
from whence.errors import InputError, StoreError
from whence.query import Address
from whence.runs import RunRecord
from whence.store import Folder


@pytest.fixture(scope="module")
def page(run: wh.Run, tmp_path_factory: pytest.TempPathFactory) -> Page:
    target = tmp_path_factory.mktemp("page") / "report.html"
    assert write_report(run.record, target, records=[run.record]) == target
    return Page(target.read_text(encoding="utf-8"))


def test_the_page_is_one_file_without_script_or_network(page: Page) -> None:
    assert not page.all("script")
    assert not page.all("link")
    addresses = [
        element.attributes[name]
        for element in page.elements
        for name in ("src", "href", "xlink:href", "action", "srcset", "data")
        if name in element.attributes
    ]
    assert addresses
    assert all(address.startswith(("data:image/", "#")) for address in addresses)
    assert not [name for element in page.elements for name in element.attributes if name.startswith("on")]
    (policy,) = [e.attributes["content"] for e in page.all("meta") if "http-equiv" in e.attributes]
    assert policy.startswith("default-src 'none'")
    (style,) = page.all("style")
    assert not re.search(r"url\(|@import|expression", style.text)


def test_ids_are_unique_and_every_reference_leads_somewhere(page: Page) -> None:
    ids = page.ids()
    assert len(ids) == len(set(ids))
    for element in page.elements:
        if element.attributes.get("href", "").startswith("#"):
            assert element.attributes["href"][1:] in ids
        for name in element.attributes.get("aria-labelledby", "").split():
            assert name in ids
    markers = re.findall(r"url\(#([^)]+)\)", " ".join(" ".join(e.attributes.values()) for e in page.elements))
    assert markers
    assert set(markers) <= set(ids)


def test_the_page_can_be_read_without_seeing_it(page: Page) -> None:
    assert page.all("html")[0].attributes["lang"] == "en"
    assert len(page.all("h1")) == 1
    levels = [int(element.tag[1]) for element in page.elements if re.fullmatch(r"h[1-6]", element.tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(image.attributes["alt"] for image in page.all("img"))
    for picture in page.all("svg"):
        assert picture.attributes["role"] == "img"
        assert picture.attributes["aria-labelledby"]
    assert all(element.attributes["scope"] in ("row", "col") for element in page.all("th"))
    assert all(region.attributes.get("aria-label") for region in page.all("div", role="region"))


def test_the_head_says_what_when_and_how_it_ended(page: Page, run: wh.Run) -> None:
    assert page.all("h1")[0].text == "count digits"
    (badge,) = [element for element in page.all("span", class_="badge") if element.text == run.status]
    assert "good" in badge.attributes["class"]
    (top,) = page.all("header")
    assert run.name in top.text
    assert run.started_at.strftime("%Y-%m-%d %H:%M:%S UTC") in top.text


def test_the_counts_are_those_of_the_record(page: Page, run: wh.Run) -> None:
    table = page.table("All passes together")
    nodes = run.streams[0].nodes
    assert len(table) == len(nodes)
    for index, (node, (name, cells)) in enumerate(zip(nodes, table.items(), strict=True)):
        assert name.startswith(node["label"])
        taken, given = (sum(view.nodes[index][part] for view in run.passes) for part in (1, 2))
        if taken:  # a source and a shuffle have no loop of their own that counts
            assert cells[:2] == [f"{taken:,}", f"{given:,}"]
            dropped = 0 if node["kind"] == "batch" else taken - given
            assert cells[2] == (f"{dropped:,}" if dropped else "–")  # noqa: RUF001
    assert table["numberssource"][1] == "60"
    assert next(cells for name, cells in table.items() if name.startswith("shuffle"))[:2] == ["27", "27"]


def test_a_picture_shows_every_node_with_its_counts_and_drops(page: Page) -> None:
    texts = [element.text for element in page.all("text", class_="label")]
    assert len(texts) == 8
    assert {"numbers", "read_text", "is_even", "shuffle(7)", "move", "batch(4)"} < set(texts)
    counts = [element.text for element in page.all("text", class_="count")]
    assert counts.count("20 files") == 1
    assert {"19 samples", "10 samples", "9 samples", "3 batches"} <= set(counts)
    assert [element.text for element in page.all("text", class_="dropped")] == [
        "1 repeated", "9 dropped", "1 set aside",
    ]  # fmt: skip
    assert "odd number" in [element.text for element in page.all("text", class_="reason")]


def test_what_was_dropped_names_its_reason_its_error_and_what_it_repeats(page: Page) -> None:
    (section,) = [each for each in page.all("section") if each.attributes["aria-labelledby"] == "drops"]
    assert "odd number" in section.text
    assert "9 in each of 3 passes" in section.text
    assert "n01.txt" in section.text
    assert "x1.txt" in section.text
    assert "ValueError: can't read broken one" in section.text
    rows = [each.text for each in page.all("tr")]
    assert any("x2.txt" in row and "n04.txt" in row for row in rows)
    assert any("0–2" in row and "x1.txt" in row for row in rows)  # noqa: RUF001


def test_metrics_are_drawn_with_their_extremes(page: Page, run: wh.Run) -> None:
    captions = [element.text for element in page.all("figcaption")]
    assert "last 0.1111 · lowest 0.1111 · highest 1 · 9 values" in captions
    assert "last 0.7 · lowest 0.5 · highest 0.7 · 3 values" in captions
    assert run.metrics["accuracy"] == 0.7
    assert len(page.all("path", class_="line")) == 2


def test_journeys_show_one_source_in_every_epoch_and_hold_against_the_record(page: Page, run: wh.Run) -> None:
    journeys = page.all("article", class_="journey")
    assert len(journeys) == 6
    assert "the same source" in journeys[1].text
    assert "the same source" in journeys[2].text
    for journey in journeys:
        assert "✓ Made again, it is what was delivered" in journey.text
        found = re.search(re.escape(run.name) + r"@(\d):(\d+)\.(\d+)", journey.text)
        assert found is not None
        trace = run.trace(*(int(part) for part in found.groups()))
        assert pathlib.Path(str(trace.origins[0].path)).name in journey.text
        (digest,) = set(re.findall(r"digest ([0-9a-f]{8}), recorded ([0-9a-f]{8})", journey.text)[0])
        assert digest
    assert re.search(r"dx = -?\d", journeys[0].text)
    assert "as the program saw it" in journeys[0].text
    assert len(page.all("img")) == 12  # after read_text and after move, of six


def test_results_carry_their_digests(page: Page, run: wh.Run) -> None:
    (section,) = [each for each in page.all("section") if each.attributes["aria-labelledby"] == "results"]
    for result in (*run.models, *run.artifacts):
        assert result["digest"] in section.text
        assert result["name"] in section.text
    assert "lr" in section.text


def test_the_environment_names_the_command_but_no_folder_of_the_machine(page: Page, run: wh.Run) -> None:
    (section,) = [each for each in page.all("section") if each.attributes["aria-labelledby"] == "environment"]
    assert run.environment["python"]["version"] in section.text
    assert run.environment["cwd"] not in section.text.replace(" ".join(run.environment["argv"]), "")
    for name, version in run.environment["packages"].items():
        assert f"{name} {version}" in section.text


def test_the_commands_on_the_page_can_be_typed(page: Page, run: wh.Run) -> None:
    (section,) = [each for each in page.all("section") if each.attributes["aria-labelledby"] == "questions"]
    commands = [element.text for element in page.all("pre") if element.text.startswith("whence ")]
    verbs = [command.split()[1] for command in commands]
    assert verbs == ["trace", "impact", "replay", "impact", "verify", "show"]
    address = commands[0].split()[2]
    workspace = wh.open(run.record.folder.path)
    origin = workspace.trace(address).origins[0].path
    assert commands[1] == f"whence impact {origin}"
    assert "3 deliveries in 1 run" in section.text
    assert workspace.replay(commands[2].split()[2]).equal
    assert workspace.impact(commands[3].split()[2]).count == 0


def test_the_footer_says_how_to_check_the_page(page: Page, run: wh.Run) -> None:
    (chain,) = [element for element in page.elements if element.attributes.get("id") == "chain"]
    assert chain.text == run.record.journal.chain.hex()
    assert "the record holds" in " ".join(element.text for element in page.all("span", class_="badge"))


def test_the_same_record_gives_the_same_bytes(run: wh.Run, tmp_path: pathlib.Path) -> None:
    first = write_report(run.record, tmp_path / "a.html").read_bytes()
    assert write_report(run.record, tmp_path / "b.html").read_bytes() == first


def test_a_damaged_record_is_called_one(run: wh.Run, target: pathlib.Path) -> None:
    segment = run.record.journal.path / "segments" / "lineage"
    sound = segment.read_bytes()
    try:
        segment.chmod(stat.S_IRUSR | stat.S_IWUSR)
        segment.write_bytes(sound[:-20] + bytes(20))
        record = RunRecord.read(Folder(run.record.folder.path), run.id)
        page = Page(write_report(record, target).read_text(encoding="utf-8"))
    finally:
        segment.write_bytes(sound)
    assert "the record does not hold" in " ".join(
        element.text for element in page.all("span", class_="badge")
    )


def test_journeys_that_cannot_be_made_again_say_why(tmp_path: pathlib.Path, target: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        list(wh.from_items([1, 2, 3]).map(pipelines.keep).batch(2))
    page = Page(write_report(run.record, target).read_text(encoding="utf-8"))
    journeys = page.all("article")
    assert journeys
    assert all("It can't be made again here" in each.text for each in journeys)
    assert "held data in memory" in journeys[0].text


def test_a_changed_file_is_named_where_its_journey_differs(
    tmp_path: pathlib.Path, target: pathlib.Path
) -> None:
    (tmp_path / "n.txt").write_text("4")
    with wh.start_run(workspace=tmp_path) as run:
        list(pipelines.digits(str(tmp_path / "n.txt")).epoch(0))
    (tmp_path / "n.txt").write_text("6")
    page = Page(write_report(run.record, target).read_text(encoding="utf-8"))
    assert "✗ Made again" in page.all("article")[0].text
    assert "its bytes have changed" in page.all("article")[0].text


def test_no_journeys_run_no_recorded_code(run: wh.Run, target: pathlib.Path) -> None:
    page = Page(write_report(run.record, target, journeys=[]).read_text(encoding="utf-8"))
    assert not page.all("article")
    assert not page.all("img")


def test_the_journeys_asked_for_are_shown(run: wh.Run, target: pathlib.Path) -> None:
    asked = [Address(run=run.name, epoch=1, batch=0, item=2), Address(run=run.name, epoch=9, batch=0)]
    page = Page(write_report(run.record, target, journeys=asked).read_text(encoding="utf-8"))
    first, second = page.all("article")
    assert f"{run.name}@1:0.2" in first.text
    assert "has no pass 9" in second.text


def test_a_run_without_streams_or_metrics_has_a_page(tmp_path: pathlib.Path, target: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        pass
    page = Page(write_report(run.record, target).read_text(encoding="utf-8"))
    assert page.all("h1")[0].text == run.name
    assert "No stream was read" in page.all("main")[0].text
    assert "No metric was logged" in page.all("main")[0].text


def test_a_failed_run_shows_the_end_of_its_traceback(tmp_path: pathlib.Path, target: pathlib.Path) -> None:
    with pytest.raises(ZeroDivisionError), wh.start_run(workspace=tmp_path) as run:
        _ = 1 / 0
    page = Page(write_report(run.record, target).read_text(encoding="utf-8"))
    assert "ZeroDivisionError" in page.all("pre")[0].text
    assert page.all("span", class_="bad")


def test_a_running_run_is_told_as_far_as_it_went(tmp_path: pathlib.Path, target: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        for number, _ in enumerate(wh.from_items(list(range(10))).map(pipelines.keep).batch(2)):
            if number == 2:
                page = Page(write_report(run.record, target).read_text(encoding="utf-8"))
                break
    assert "was still going on" in page.all("header")[0].text
    assert "6 samples" in [element.text for element in page.all("text", class_="count")]
    assert "3 batches in 1 pass" in [element.text for element in page.all("text", class_="told")]


def test_several_streams_with_joins_are_each_drawn(tmp_path: pathlib.Path, target: pathlib.Path) -> None:
    numbers = [wh.from_items(list(range(count)), name=f"part{count}") for count in range(2, 9)]
    joined = numbers[0].concat(*numbers[1:]).named("joined")
    paired = wh.from_items([1, 2], name="left").zip(
        wh.from_items([3, 4], name="right"), combine=pipelines.same_pair
    )
    with wh.start_run(workspace=tmp_path) as run:
        list(joined)
        list(paired.named("paired"))
    page = Page(write_report(run.record, target).read_text(encoding="utf-8"))
    assert len(page.all("figure", class_="plan")) == 2
    labels = [element.text for element in page.all("text", class_="label")]
    assert {"part2", "part3", "part4", "part5", "3 more inputs", "left", "right", "same_pair"} <= set(labels)
    assert "part6" not in labels
    boxes = [
        tuple(float(each.attributes[name]) for name in ("x", "y", "width", "height"))
        for each in page.all("rect", class_="box")
    ]
    assert len(boxes) == len(labels)


def test_a_huge_plan_and_many_metrics_are_bounded_and_say_so(
    tmp_path: pathlib.Path, target: pathlib.Path
) -> None:
    stream = wh.from_items([1, 2])
    for number in range(150):
        stream = stream.map(pipelines.keep, name=f"op{number}")
    with wh.start_run(workspace=tmp_path) as run:
        list(stream)
        for number in range(300):
            run.log_metrics({f"m{number}": 1.0}, step=0)
            run.log_metrics({f"m{number}": 2.0}, step=1)
        run.log_params({f"p{number}": "x" * 9_000 for number in range(300)})
    text = write_report(run.record, target, journeys=[]).read_text(encoding="utf-8")
    page = Page(text)
    assert len(text) < 600_000
    assert "111 more operations" in [element.text for element in page.all("text", class_="label")]
    assert "51 more operations aren't listed" in page.all("main")[0].text
    assert "76 more metrics aren't shown" in page.all("main")[0].text
    assert "100 more aren't listed" in page.all("main")[0].text
    assert len(page.all("path", class_="line")) == 24


def test_a_page_replaces_the_old_one_whole_or_not_at_all(run: wh.Run, tmp_path: pathlib.Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    write_report(run.record, target, journeys=[])
    assert "old" not in target.read_text()[:10]
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_is_no_place_for_a_page(run: wh.Run, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="a folder"):
        write_report(run.record, tmp_path, journeys=[])


def test_a_folder_that_is_not_there_is_named(run: wh.Run, tmp_path: pathlib.Path) -> None:
    with pytest.raises((StoreError, LookupError), match="nowhere"):
        write_report(run.record, tmp_path / "nowhere" / "report.html", journeys=[])


def test_what_the_program_opened_and_the_machine_used_is_told(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pathlib.Path("settings.csv").write_text("lr,0.1")
    with wh.config(sample_every_s=0.1), wh.start_run(workspace=tmp_path / "w") as run:
        pathlib.Path("settings.csv").read_text()
        pathlib.Path("found.txt").write_text("what came of it")
        while "system/cpu_cores" not in run.record.metric_keys:
            run.log_metric("loss", 1.0)
    page = Page(write_report(run.record, tmp_path / "report.html").read_text(encoding="utf-8"))
    (body,) = page.all("body")
    for told in ("settings.csv", "found.txt", run.record.inputs[0].digest, "process_memory_bytes", "reading"):
        assert str(told) in body.text
