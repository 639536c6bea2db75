"""The audit hashes every byte of a log again and names each file that isn't as it must be, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.ledger.logs import Files, checkpoint_of, files_of
from tests.rooms.ledger.slow import some_entries
from whence.errors import StoreError
from whence.ledger import Audit, Checkpoint, audit, encode_bundle, leaf_hashes, parse_path, root_of

# Three levels, each with full tiles and a partial one.
ENTRIES = some_entries(66_700)
CHECKPOINT = checkpoint_of(ENTRIES)
FILES = files_of(ENTRIES)
TILES = ("tile/0/007", "tile/0/260.p/140", "tile/1/000", "tile/1/001.p/4", "tile/2/000.p/1")
BUNDLES = ("tile/entries/007", "tile/entries/260.p/140")

SMALL = some_entries(600)
SMALL_CHECKPOINT = checkpoint_of(SMALL)
SMALL_FILES = files_of(SMALL)


def found(files: Files, checkpoint: Checkpoint = CHECKPOINT) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What the audit finds, by file; and what holds of every audit."""
    taken: list[tuple[int, bytes]] = []
    listing = [*files, "checkpoint"]
    result = audit(files.read, checkpoint, each=lambda *each: taken.append(each), listing=listing)
    assert len(taken) == result.entries
    assert [index for index, _ in taken] == sorted({index for index, _ in taken})
    entries = SMALL if checkpoint.size <= len(SMALL) else ENTRIES
    assert taken == [(index, entries[index]) for index, _ in taken]
    assert result.holds == (not result.findings)
    assert result.holds <= (result.entries == checkpoint.size)
    findings: dict[str, tuple[str, tuple[int, ...]]] = {
        finding.path: (finding.kind, finding.places) for finding in result.findings
    }
    assert len(findings) == len(result.findings), result.findings
    return findings


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def covered(path: str) -> int:
    """How many entries a bundle or a tile of leaves covers."""
    return parse_path(path).width


class TestAWholeLog:
    @pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 65_535, 65_536, 65_537])
    def test_it_holds_and_each_entry_is_handed_on(self, size: int) -> None:
        entries = some_entries(size)
        taken: list[tuple[int, bytes]] = []
        files = files_of(entries)
        result = audit(
            files.read, checkpoint_of(entries), each=lambda *each: taken.append(each), listing=files
        )
        assert result == Audit(size=size, entries=size, findings=())
        assert result.holds
        assert taken == list(enumerate(entries))

    def test_it_holds_only_if_every_entry_was_read(self) -> None:
        assert Audit(size=2, entries=2, findings=()).holds
        assert not Audit(size=2, entries=1, findings=()).holds

    def test_every_file_is_read_once(self) -> None:
        asked: list[str] = []

        def read(path: str) -> bytes:
            asked.append(path)
            return FILES[path]

        assert audit(read, CHECKPOINT).holds
        assert sorted(asked) == sorted(FILES)

    def test_files_of_earlier_sizes_may_stay(self) -> None:
        files = FILES.copy()
        for size in (3, 300, 66_561, 66_699):
            files.update({path: data for path, data in files_of(ENTRIES[:size]).items() if ".p/" in path})
        assert len(files) == len(FILES) + 9
        assert found(files) == {}


class TestADamagedFileIsNamed:
    @pytest.mark.parametrize("path", TILES + BUNDLES)
    def test_missing(self, path: str) -> None:
        files = FILES.copy()
        del files[path]
        assert found(files) == {path: ("missing", ())}

    @pytest.mark.parametrize("path", SMALL_FILES)
    def test_unreadable(self, path: str) -> None:
        def read(asked: str) -> bytes:
            if asked == path:
                raise StoreError("the disk doesn't answer")
            return SMALL_FILES[asked]

        (finding,) = audit(read, SMALL_CHECKPOINT).findings
        assert (finding.path, finding.kind, finding.message) == (
            path,
            "unreadable",
            "the disk doesn't answer",
        )

    @pytest.mark.parametrize("path", SMALL_FILES)
    @pytest.mark.parametrize("change", [-32, -1, 1, 32])
    def test_of_another_length(self, path: str, change: int) -> None:
        files = SMALL_FILES.copy()
        files[path] = files[path][:change] if change < 0 else files[path] + bytes(change)
        assert found(files, SMALL_CHECKPOINT) == {path: ("form", ())}

    @pytest.mark.parametrize("path", TILES)
    @pytest.mark.parametrize("bit", [0, -1])
    def test_a_tile_by_the_place_of_a_flipped_bit(self, path: str, bit: int) -> None:
        files = FILES.copy()
        files[path] = flipped(files[path], bit % (8 * len(files[path])))
        assert found(files) == {path: ("child", (bit % parse_path(path).width,))}

    @pytest.mark.parametrize("path", BUNDLES)
    def test_a_bundle_by_the_entries_that_changed(self, path: str) -> None:
        files = FILES.copy()
        start = parse_path(path).index * 256
        entries = ENTRIES[start : start + parse_path(path).width]
        entries[3], entries[5] = b"forged", b"and again"
        files[path] = encode_bundle(entries)
        assert found(files) == {path: ("leaf", (3, 5))}

    def test_entries_that_lead_to_the_root_are_handed_on_and_no_others(self) -> None:
        files = FILES.copy()
        del files["tile/entries/009"]
        entries = ENTRIES[7 * 256 : 8 * 256]
        entries[3] = b"forged"
        files["tile/entries/007"] = encode_bundle(entries)
        taken: list[int] = []
        result = audit(files.read, CHECKPOINT, each=lambda index, entry: taken.append(index))
        lost = {7 * 256 + 3, *range(9 * 256, 10 * 256)}
        assert taken == [index for index in range(len(ENTRIES)) if index not in lost]
        assert result.entries == len(ENTRIES) - len(lost)

    @pytest.mark.parametrize("path", ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
    @given(data=st.data())
    def test_every_bit_of_a_tile_counts(self, path: str, data: st.DataObject) -> None:
        files = SMALL_FILES.copy()
        bit = data.draw(st.integers(0, 8 * len(files[path]) - 1))
        files[path] = flipped(files[path], bit)
        assert found(files, SMALL_CHECKPOINT) == {path: ("child", (bit // 256,))}

    @given(data=st.data())
    def test_every_bit_of_a_bundle_counts(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(["tile/entries/001", "tile/entries/002.p/88"]))
        files = SMALL_FILES.copy()
        files[path] = flipped(files[path], data.draw(st.integers(0, 8 * len(files[path]) - 1)))
        ((named, (kind, _)),) = found(files, SMALL_CHECKPOINT).items()
        assert (named, kind in ("leaf", "form")) == (path, True)

    def test_where_all_tiles_of_leaves_are_full(self) -> None:
        files = files_of(SMALL[:512])
        files["tile/1/000.p/2"] = flipped(files["tile/1/000.p/2"], 300)
        assert found(files, checkpoint_of(SMALL[:512])) == {"tile/1/000.p/2": ("child", (1,))}

    def test_two_damages_in_one_branch_are_told_apart(self) -> None:
        files = FILES.copy()
        files["tile/1/000"] = flipped(files["tile/1/000"], 3 * 256)
        files["tile/0/007"] = flipped(files["tile/0/007"], 11 * 256)
        del files["tile/0/008"]
        assert found(files) == {
            "tile/1/000": ("child", (3,)),
            "tile/0/007": ("child", (11,)),
            "tile/0/008": ("missing", ()),
        }

    def test_a_damaged_tile_is_told_apart_from_what_is_damaged_two_levels_below(self) -> None:
        files = FILES.copy()
        files["tile/1/000"] = flipped(flipped(files["tile/1/000"], 7 * 256), 9 * 256)
        files["tile/entries/007"] = encode_bundle([*ENTRIES[1_792:2_047], b"forged"])
        del files["tile/entries/009"]
        assert found(files) == {
            "tile/1/000": ("child", (7, 9)),
            "tile/entries/007": ("leaf", (255,)),
            "tile/entries/009": ("missing", ()),
        }

    def test_what_is_left_of_a_branch_is_not_believed(self) -> None:
        files = FILES.copy()
        rewritten(files)
        del files["tile/0/007"]
        assert found(files) == {"tile/0/007": ("missing", ()), "tile/entries/007": ("hash", ())}
        files["tile/0/007"] = FILES["tile/0/007"]
        del files["tile/1/000"]
        files["tile/0/009"] = flipped(files["tile/0/009"], 11 * 256)
        result = audit(files.read, CHECKPOINT)
        assert [(finding.path, finding.kind) for finding in result.findings] == [
            ("tile/1/000", "missing"),
            ("tile/1/000", "hash"),
            ("tile/entries/007", "leaf"),
            ("tile/entries/009", "leaf"),
        ]
        assert result.entries == len(ENTRIES) - 65_536

    def test_a_lost_branch_is_made_again_from_its_entries(self) -> None:
        files = FILES.copy()
        lost = [path for path in files if path.startswith("tile/") and "entries" not in path]
        for path in lost:
            del files[path]
        taken: list[int] = []
        result = audit(files.read, CHECKPOINT, each=lambda index, entry: taken.append(index))
        assert {finding.path: finding.kind for finding in result.findings} == dict.fromkeys(lost, "missing")
        assert taken == list(range(len(ENTRIES)))


def rewritten(files: Files) -> None:
    """Entry 2,000 is another one, in its bundle and in its tile."""
    entries = ENTRIES[1_792:2_048]
    entries[2_000 - 1_792] = b"rewritten"
    files["tile/entries/007"] = encode_bundle(entries)
    files["tile/0/007"] = b"".join(leaf_hashes(entries))


class TestAnAttackIsNamed:
    def test_one_who_rewrites_an_entry_and_its_leaf(self) -> None:
        files = FILES.copy()
        rewritten(files)
        assert found(files) == {"tile/0/007": ("hash", ())}

    def test_one_who_rewrites_the_branch_above_as_well(self) -> None:
        files = FILES.copy()
        rewritten(files)
        tile = files["tile/0/007"]
        changed = root_of([tile[place : place + 32] for place in range(0, len(tile), 32)])
        above = files["tile/1/000"]
        files["tile/1/000"] = above[: 7 * 32] + changed + above[8 * 32 :]
        assert found(files) == {"tile/1/000": ("hash", ())}

    def test_two_who_rewrite_at_once(self) -> None:
        """Nothing tells any more which side of a contradiction is the right one; both are named."""
        files = FILES.copy()
        rewritten(files)
        tile = files["tile/0/007"]
        changed = root_of([tile[place : place + 32] for place in range(0, len(tile), 32)])
        above = files["tile/1/000"]
        files["tile/1/000"] = above[: 7 * 32] + changed + bytes(32) + above[9 * 32 :]
        assert found(files) == {"tile/1/000": ("hash", ()), "tile/0/008": ("hash", ())}

    def test_one_who_rewrites_all_of_it(self) -> None:
        other = list(ENTRIES)
        other[2_000] = b"rewritten"
        assert found(files_of(other)) == {"checkpoint": ("root", ())}

    def test_one_who_cuts_the_log(self) -> None:
        files = files_of(ENTRIES[:-1])
        assert found(files) == {
            "tile/0/260.p/140": ("missing", ()),
            "tile/entries/260.p/140": ("missing", ()),
            "tile/0/260.p/139": ("earlier", ()),
            "tile/entries/260.p/139": ("earlier", ()),
            "checkpoint": ("root", ()),
        }

    def test_one_who_puts_an_old_checkpoint_back(self) -> None:
        assert found(FILES, checkpoint_of(ENTRIES[:66_690])) == {
            "tile/0/260.p/130": ("missing", ()),
            "tile/entries/260.p/130": ("missing", ()),
            "tile/0/260.p/140": ("ahead", ()),
            "tile/entries/260.p/140": ("ahead", ()),
            "checkpoint": ("root", ()),
        }

    def test_one_who_claims_another_size(self) -> None:
        findings = found(FILES, replace(CHECKPOINT, size=CHECKPOINT.size + 1))
        assert findings["checkpoint"] == ("root", ())

    @pytest.mark.parametrize("size", [2**24, 2**40 + 12_345, 2**63 - 1])
    def test_one_who_claims_a_size_that_nobody_could_walk(self, size: int) -> None:
        asked: list[str] = []

        def read(path: str) -> bytes:
            asked.append(path)
            return FILES[path]

        result = audit(read, replace(CHECKPOINT, size=size), listing=FILES)
        assert not result.holds
        assert result.entries == 0
        assert len(asked) < 10 * len(FILES)

    def test_one_who_signs_a_top_with_nothing_below(self) -> None:
        hashes = leaf_hashes(SMALL[:256])
        files = Files({"tile/5/000.p/1": root_of(hashes), "tile/4/000": b"".join(hashes)})
        result = audit(files.read, Checkpoint("log.example/tests", 2**40, root_of(hashes)))
        assert (result.holds, result.entries) == (False, 0)
        assert {finding.kind for finding in result.findings} == {"missing"}
        assert len(result.findings) < 70_000

    def test_one_who_claims_that_there_is_nothing(self) -> None:
        findings = found(SMALL_FILES, checkpoint_of([]))
        assert findings == dict.fromkeys(SMALL_FILES, ("ahead", ()))

    @pytest.mark.parametrize("room", ["0", "entries"])
    def test_one_who_swaps_two_files(self, room: str) -> None:
        files = FILES.copy()
        one, two = f"tile/{room}/003", f"tile/{room}/005"
        files[one], files[two] = files[two], files[one]
        result = audit(files.read, CHECKPOINT, listing=files)
        assert [finding.path for finding in result.findings] == [one, two]
        if room == "0":
            said = ["it holds what tile/0/005 must hold", "it holds what tile/0/003 must hold"]
            assert [finding.message for finding in result.findings] == said

    def test_one_who_puts_a_copy_over_a_file(self) -> None:
        files = FILES.copy()
        files["tile/0/003"] = files["tile/0/005"]
        (finding,) = audit(files.read, CHECKPOINT).findings
        assert (finding.path, finding.message) == ("tile/0/003", "it holds what tile/0/005 must hold")

    @pytest.mark.parametrize("path", SMALL_FILES)
    @pytest.mark.parametrize("name", ["tile/0/900", "tile/entries/900", "tile/7/000", "tile/0/0007", "kept"])
    def test_one_who_renames_a_file(self, path: str, name: str) -> None:
        files = SMALL_FILES.copy()
        files[name] = files.pop(path)
        assert found(files, SMALL_CHECKPOINT) == {path: ("missing", ()), name: ("renamed", ())}

    def test_one_who_puts_something_of_the_same_size_elsewhere(self) -> None:
        files = SMALL_FILES.copy()
        del files["tile/0/001"]
        files["kept"] = bytes(8_192)
        assert found(files, SMALL_CHECKPOINT) == {"tile/0/001": ("missing", ()), "kept": ("stray", ())}

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            *(("tile/0/00x", "stray"), ("tile/0/000.p/256", "stray"), ("notes.txt", "stray")),
            *(("tile/0/x000/007", "stray"), ("checkpoint.old", "stray"), ("tile/0/900", "ahead")),
            *(("tile/9/000.p/1", "ahead"), ("tile/0/002.p/89", "ahead"), ("tile/entries/002", "ahead")),
        ],
    )
    def test_one_who_puts_a_file_there(self, path: str, kind: str) -> None:
        files = SMALL_FILES.copy()
        files[path] = b"whatever"
        assert found(files, SMALL_CHECKPOINT) == {path: (kind, ())}

    @pytest.mark.parametrize(
        ("path", "change", "kind"),
        [
            ("tile/0/002.p/20", lambda data: flipped(data, 77), "earlier"),
            ("tile/0/001.p/20", lambda data: flipped(data, 77), "earlier"),
            ("tile/0/002.p/20", lambda data: data[:-1], "form"),
            ("tile/entries/002.p/20", lambda data: data.replace(b"522", b"eek"), "earlier"),
            ("tile/entries/001.p/20", lambda data: data + b"\0", "form"),
        ],
    )
    def test_one_who_changes_what_stayed_from_earlier(
        self, path: str, change: Callable[[bytes], bytes], kind: str
    ) -> None:
        name = parse_path(path)
        files = SMALL_FILES.copy()
        size = name.index * 256 + name.width
        whole = files_of(SMALL[:size])[path]
        assert change(whole) != whole
        files[path] = change(whole)
        assert found(files, SMALL_CHECKPOINT) == {path: (kind, ())}


@given(st.data())
def test_whatever_is_done_to_the_files_of_a_log_is_found(data: st.DataObject) -> None:
    """After several damages something is found, what is lost is named, and nothing false is handed on."""
    files = SMALL_FILES.copy()
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(sorted(files)))
        match data.draw(st.sampled_from(["drop", "flip", "cut", "swap", "copy"])):
            case "drop":
                del files[path]
            case "flip":
                files[path] = flipped(files[path], data.draw(st.integers(0, 8 * len(files[path]) - 1)))
            case "cut":
                files[path] = files[path][: data.draw(st.integers(1, len(files[path])))]
            case "swap":
                other = data.draw(st.sampled_from(sorted(files)))
                files[path], files[other] = files[other], files[path]
            case "copy":
                files[path] = files[data.draw(st.sampled_from(sorted(files)))]
    taken: list[tuple[int, bytes]] = []
    result = audit(files.read, SMALL_CHECKPOINT, each=lambda *each: taken.append(each), listing=files)
    assert result.holds == (files == SMALL_FILES)
    assert all(SMALL[index] == entry for index, entry in taken)
    assert not set(SMALL_FILES) - set(files) - {finding.path for finding in result.findings}
