"""The page docs/reference/format.md: a reader written from it reads what whence reads."""

from __future__ import annotations

import base64
import json
import pathlib
import re

import pytest
import xxhash

import whence as wh
from tests.rooms.store.reader import (
    RunReader,
    key64,
    read_content,
    read_file,
    read_workspace,
    sha256,
    witness,
)
from whence.store import Folder, read_journal, scan_frames
from whence.vocab import digest_bytes, sample_digest
from whence.vocab import key64 as our_key64

ROOT = pathlib.Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "format.md").read_text(encoding="utf-8")
COUNT = 30


def load(file: object) -> dict[str, int]:
    return {"value": int(file.read())}  # type: ignore[attr-defined]


def is_kept(sample: dict[str, int]) -> bool:
    return sample["value"] % 3 != 1


def jitter(sample: dict[str, int], dx: int) -> dict[str, int]:
    return {**sample, "dx": dx}


@pytest.fixture
def run(tmp_path: pathlib.Path) -> wh.Run:
    (tmp_path / "data").mkdir()
    for number in range(COUNT):
        (tmp_path / "data" / f"{number:02}.txt").write_text(str(number))
    stream = (
        wh.from_files(tmp_path / "data")
        .map(load)
        .filter(is_kept, reason="of no use")
        .map(jitter, draw={"dx": wh.draw.integers(0, 9)})
        .batch(4)
        .named("train")
    )
    with wh.start_run("my run \udcff", params={"lr": 0.1, "big": 2**70}, workspace=tmp_path) as run:
        for epoch in range(2):
            for batch in stream.epoch(epoch):
                run.log_metric("sum", int(batch["value"].sum()))
        run.log_model("small", b"a model")
        run.log_model("large", bytes(100_000))
        run.log_note("a note")
    return run


@pytest.fixture
def reader(run: wh.Run) -> RunReader:
    (found,) = read_workspace(run.record.folder.path)
    return found


def test_events_and_bodies_are_read_as_we_read_them(run: wh.Run, reader: RunReader) -> None:
    ours = [(event.kind, event.at_ns, event.public, event.body) for event in run.record.journal.events]
    assert reader.events == ours
    assert reader.journal.chain == run.record.journal.chain
    assert reader.path.name == run.id


def test_every_kind_of_event_is_on_the_page() -> None:
    table = PAGE[PAGE.index("## Events") : PAGE.index("### Sources")]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    source = "".join(path.read_text() for path in (ROOT / "src" / "whence").rglob("*.py"))
    written = set(re.findall(r'(?:(?:writer|self)\._?append|note_used)\(\s*"(\w+)"', source))
    assert len(written) > 12
    assert written | {"params", "tags", "metric"} == named


def test_every_field_of_an_event_is_on_the_page(reader: RunReader) -> None:
    for kind, _, public, body in reader.events:
        for name in [*public, *(body or {})]:
            assert f"`{name}`" in PAGE, (kind, name)
    (_, stream) = next(reader.find("stream"))
    for node in stream["nodes"]:
        for name in node:
            assert f"`{name}`" in PAGE, name


def test_segments_are_what_the_journal_commits_to(reader: RunReader) -> None:
    reader.check_segments()


def test_sources_and_their_digests_are_read_as_we_read_them(run: wh.Run, reader: RunReader) -> None:
    assert reader.paths(0) == run.sources[0].paths == [f"{number:02}.txt" for number in range(COUNT)]
    theirs = reader.part_digests(0)
    assert theirs == {place: digest for place, (_, _, digest) in run.sources[0].digests.items()}
    assert theirs[7, 0] == digest_bytes(b"7")
    (_, snapshot) = next(reader.find("snapshot"))
    places = b"".join(part.to_bytes(8, "little") for part, _ in sorted(theirs))
    digests = b"".join(theirs[place] for place in sorted(theirs))
    assert snapshot["digest"] == digest_bytes(places + digests)


def test_models_are_read_as_we_read_them(reader: RunReader) -> None:
    kept = {body["name"]: reader.read_object(body["digest"]) for _, body in reader.find("model")}
    assert kept == {"small": b"a model", "large": bytes(100_000)}


def test_passes_and_cursors_are_read_as_we_read_them(run: wh.Run, reader: RunReader) -> None:
    ends = [public for public, _ in reader.find("pass_end")]
    assert [(end["pass"], end["delivered"], end["complete"]) for end in ends] == [(0, 5, True), (1, 5, True)]
    assert reader.cursors()[:3] == [(5, 5), (5, 5), (0, 0)]
    assert run.record.journal.cursors() == reader.cursors()


def test_a_sample_is_traced_by_hand(run: wh.Run, reader: RunReader) -> None:
    """Through batch, map, filter and map down to the file, as the page says for each kind."""
    (_, stream) = next(reader.find("stream"))
    assert [node["kind"] for node in stream["nodes"]] == ["source", "map", "filter", "map", "batch"]
    size = stream["nodes"][4]["params"]["size"]
    kept = reader.kept(0, 2)
    for batch, item in ((0, 0), (2, 3), (4, 1)):
        row = kept[batch * size + item]
        (origin,) = run.trace(0, batch, item).origins
        assert (row, f"{run.sources[0].root}/{reader.paths(0)[row]}") == (origin.row, origin.path)


def test_what_the_data_decided_is_read_as_we_read_it(tmp_path: pathlib.Path) -> None:
    stream = (
        wh.from_items(range(700), name="n")
        .filter(is_rare)
        .flat_map(repeated)
        .dedup(key=tens)
        .group_by(digit)
        .samples()
    )
    with wh.start_run(workspace=tmp_path) as run:
        stream.collect()
    (reader,) = read_workspace(tmp_path / ".whence")
    reader.check_segments()
    ours = run.record.decisions(0)
    kept = reader.kept(0, 1)
    assert ours[1].selection().select(range(len(kept))).tolist() == kept
    counts = reader.counts(0, 2, 3)
    assert ours[2].counts().children(range(len(counts)))[1].tolist() == counts
    witnesses = ours[3].witnesses()
    assert witnesses is not None
    repeats = reader.repeated(0, 3)
    assert len(repeats) > 100
    assert witnesses.of(list(repeats)).tolist() == list(repeats.values())
    in_size = ours[3].selection().out_size
    (relation,) = ours[4].relations([in_size])
    backward = reader.relation(0, 4, 0, forward=False)
    assert relation.backward(range(relation.out_size)).tolist() == backward
    forward = reader.relation(0, 4, 0, forward=True)
    forward += [[]] * (in_size - len(forward))
    assert relation.forward(range(in_size)).tolist() == forward
    assert sum(map(len, backward)) == sum(map(len, forward)) == in_size


def test_what_a_run_that_goes_on_decided_is_read_as_we_read_it(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        passing = iter(wh.from_items(range(300), name="n").filter(is_rare))
        first = [next(passing) for _ in range(10)]
        (reader,) = read_workspace(tmp_path / ".whence")
        kept = [
            bit
            for ins, _, data, *_ in reader.decisions(0)[1]
            for bit in (
                f"{int.from_bytes(data[1:], 'big'):0{8 * len(data) - 8}b}" if data[0] == 0x40 else "1" * ins
            )[:ins]
        ]
    assert [place for place, bit in enumerate(kept) if bit == "1"][:10] == first
    assert run.trace(0, 9).origins[0].row == first[9]


def is_rare(number: int) -> bool:
    return number * 2_654_435_761 % 1_009 % 3 == 0


def repeated(number: int) -> list[int]:
    return [number] * (number % 4)


def tens(number: int) -> int:
    return number // 10


def digit(number: int) -> int:
    return number // 10 % 10


def test_witnesses_are_made_by_hand(run: wh.Run, reader: RunReader) -> None:
    items, groups = reader.digests(1)
    assert items == run.record.digests(1).items.tolist()
    assert groups == run.record.digests(1).groups
    delivered = [run.replay(1, batch // 4, batch % 4) for batch in range(len(items))]
    words = [witness({name: int(value) for name, value in sample.items()}) for sample in delivered]
    assert [word % 2**32 for word in words] == items
    content = b"".join(word.to_bytes(8, "little") for word in words[:4])
    assert xxhash.xxh3_128_digest(content) == groups[0]


@pytest.mark.parametrize(
    "sample",
    [
        *[0, -5, 0.25, "a", "ü", [1, [2.0]], (1,), {"b": 1, "a": {"c": "d"}}, {}, []],
        *[["a", "ü"], ("a", ""), [""], ["a\0", "b"], ["a", 1], [["a"], ["b"]]],
    ],
)
def test_the_readers_witness_is_ours(sample: object) -> None:
    assert witness(sample) == sample_digest(sample)


def test_keys_are_made_by_hand(reader: RunReader) -> None:
    assert key64("a", 1, -2) == our_key64("a", 1, -2)
    (_, stream) = next(reader.find("stream"))
    node = stream["nodes"][3]
    assert int.from_bytes(node["key"], "little") == key64(0, "map", node["label"], 0)


def test_the_example_on_the_page_is_a_framed_file(tmp_path: pathlib.Path) -> None:
    spelled = re.search(r"<!-- example: framed file -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert spelled is not None
    (tmp_path / "f").write_bytes(bytes.fromhex(spelled[1]))
    file = read_file(tmp_path / "f", "journal")
    assert len(file.frames) == 1
    scan = scan_frames(tmp_path / "f")
    assert (scan.damages, scan.torn_bytes) == ([], 0)
    (tmp_path / "runs" / "R").mkdir(parents=True)
    (tmp_path / "f").rename(tmp_path / "runs" / "R" / "journal")
    (event,) = read_journal(Folder(tmp_path), "R").events
    assert (event.kind, event.at_ns, event.public) == ("note", 1793491200000000000, {})


def test_a_decision_is_read_from_the_page_alone(run: wh.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHENCE_ACTOR", "Ada")
    workspace = wh.open(run.record.folder.path)
    workspace.set_stage("large", "production", note="why not")
    (path,) = (workspace.path / "registry").iterdir()
    (first, event), (second, payload) = read_file(path, "registry").frames
    assert (first, second) == (1, 2)
    told, body = read_content(event), read_content(payload)
    assert sha256(body["s"] + body["b"]) == told["c"]
    assert (told["n"], told["k"], told["p"]["run"]) == (0, "stage", run.id)
    number = next(event.number for event in run.record.journal.find("model")[1:])
    assert told["p"]["event"] == number
    said = read_content(body["b"])
    model = workspace.model("large@1")
    assert said == {
        "name": "large", "version": 1, "digest": bytes.fromhex(model.digest.partition(":")[2]),
        "stage": "production", "who": "Ada", "note": "why not",
    }  # fmt: skip
    counter = workspace.path / "versions" / sha256(b"large")[:16].hex()
    assert counter.stat().st_size == 1


def test_the_digest_of_a_folder_is_made_from_the_page_alone(run: wh.Run, tmp_path: pathlib.Path) -> None:
    (tmp_path / "model" / "deep").mkdir(parents=True)
    contents = {"b": b"2", "deep/a": bytes(70_000), "ü": b""}
    for name, content in contents.items():
        (tmp_path / "model" / name).write_bytes(content)
    with wh.start_run(workspace=tmp_path) as again:
        again.log_model("folder", tmp_path / "model")
    spelled = [
        [
            {"$bytes": base64.b64encode(name.encode()).decode()},
            len(content),
            {"$bytes": base64.b64encode(sha256(content)).decode()},
        ]
        for name, content in sorted(contents.items())
    ]
    digest = sha256(json.dumps(spelled, separators=(",", ":")).encode())
    (model,) = again.models
    assert model["digest"] == f"sha256:{digest.hex()}"


def test_every_file_of_a_workspace_is_on_the_page(run: wh.Run) -> None:
    wh.open(run.record.folder.path).summaries()
    tree = PAGE[PAGE.index("```text") : PAGE.index("Any of the files")]
    for path in run.record.folder.path.rglob("*"):
        inside = {"catalog.ledger", "ledger", "objects", "registry", "versions"} & set(path.parts)
        assert inside <= set(re.findall(r"[\w.]+", tree)), path
        if path.is_file() and not inside:
            assert path.name in tree, path


def test_every_file_of_a_ledger_is_on_the_page(run: wh.Run) -> None:
    ledger = run.record.folder.path / "ledger"
    section = PAGE[PAGE.index("## The ledger's folder and keys") : PAGE.index("### Openings")]
    names = set(re.findall(r"── (.*?)(?: {2,}|$)", section, re.MULTILINE))
    told = {re.sub(r"[/<…].*", "", each) for words in names for each in words.split()}
    found = {path.relative_to(ledger) for path in ledger.rglob("*") if path.is_file()}
    assert {path.parts[0] for path in found if len(path.parts) == 1 or path.parts[0] == "staging"} <= told
    assert {path.parts[1] for path in found if path.parts[0][0] == "2"} == {"checkpoint", "payload", "tile"}
    assert {"checkpoint", "payload", "tile", "anchors", "own", "lock", "staging"} <= told
