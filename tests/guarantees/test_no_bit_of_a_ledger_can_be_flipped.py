"""Promise: no bit of a ledger can be flipped, and no signature be spelled otherwise, without being refused.

All bits of a log of 100 kB are some million, and each would have to be verified with all the others. What a
file can influence is smaller: a full tile stands over a log of its own, of 256 entries, whose root the tile
above names; what a bundle of payloads says is compared with that bundle's entries; an earlier partial file
with the present one. `Flips` verifies just that, by the same functions, and is itself compared with the whole
verification on a sample.
"""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Callable, Iterator

import pytest

from tests.sites import Site, make_site
from whence.errors import WhenceError
from whence.ledger import (
    WIDTH,
    Checkpoint,
    audit,
    decode_bundle,
    entries_path,
    parse_checkpoint,
    parse_note,
    parse_path,
    root_of,
)
from whence.ledger.strays import find_strays
from whence.query.demands import make_demand
from whence.query.ledgers import RecordHere
from whence.query.logged import EntryReader, Pending
from whence.query.logs import read_log
from whence.query.verdicts import Tally
from whence.store import Folder, Shard

SAMPLE = 1_500
COMPARED = 120
PIECES = 8
DIGEST = 32
ERASED_INDICES = range(100, 105)

Refuse = Callable[[bytes], list[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from make_site(tmp_path_factory.mktemp("ledger"))


class Flips:
    """Verifies what one file of a log can influence, the others being as they were.

    Args:
        site: the workspace.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.shard = site.shards[0]
        self.path = self.shard.path
        self.demand, _ = make_demand()
        seen = read_log(self.shard.name, self.path, self.demand, Tally())
        assert seen is not None
        self.seen = seen
        self.record = RecordHere(Folder(site.path), {})
        self.files = {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in sorted(self.path.rglob("*"))
            if path.is_file()
        }
        self.tree = parse_checkpoint(parse_note(self.shard.checkpoint()).text)
        self.bits = [(name, len(data) * 8) for name, data in self.files.items()]

    def refuser(self, name: str) -> Refuse:
        """Find what verifies a file of this name."""
        if name == "checkpoint":
            return self._checkpoint
        if name.startswith("payload/"):
            return lambda data: self._payloads(name, data)
        place = parse_path(name)
        width = min(WIDTH, (self.tree.size >> 8 * (place.level or 0)) - WIDTH * place.index)
        if place.width < width:
            return lambda data: self._earlier(name, data)
        if place.level:
            return lambda data: self._audit(name, data, self.tree, self.files)
        return self._subtree(name, place.index, width)

    def _checkpoint(self, data: bytes) -> list[str]:
        tally = Tally()
        self._put("checkpoint", data)
        try:
            seen = read_log(self.shard.name, self.path, self.demand, tally)
        finally:
            self._put("checkpoint", self.files["checkpoint"])
        if seen is not None and seen.checkpoint == self.tree and not tally.findings:
            return []  # of a line that nobody here knows: see the test of cosignatures
        return [each.problem for each in tally.findings] or ["another tree"]

    def _payloads(self, name: str, data: bytes) -> list[str]:
        bundle = int(name.rpartition("/")[2])
        tally, pending = Tally(), Pending()
        self._put(name, data)
        try:
            reader = EntryReader(self.seen, Shard(self.path).openings, self.record, tally, pending)
            width = min(WIDTH, self.tree.size - bundle * WIDTH)
            for place, entry in enumerate(decode_bundle(self.files[entries_path(bundle, width)], width)):
                reader.take(bundle * WIDTH + place, entry)
        finally:
            self._put(name, self.files[name])
        gone = [index for _, index in pending.destroyed if index not in ERASED_INDICES]
        of_payloads = ("commits to", "bundle", "form of its kind", "msgpack")
        found = [
            each.problem for each in tally.findings if any(words in each.problem for words in of_payloads)
        ]
        return [*found, *(f"{index} is gone" for index in gone)]

    def _earlier(self, name: str, data: bytes) -> list[str]:
        files = self.files | {name: data}
        return [each.message for each in find_strays(files.__getitem__, self.tree.size, [name], lost={})]

    def _subtree(self, name: str, index: int, width: int) -> Refuse:
        """The tile and the bundle at a place, as a log of their own."""
        suffix = "" if width == WIDTH else f".p/{width}"
        tile, bundle = (self.files[f"tile/{room}/{index:03d}{suffix}"] for room in ("0", "entries"))
        files = {f"tile/0/000{suffix}": tile, f"tile/entries/000{suffix}": bundle}
        if width == WIDTH:
            above = next(data for each, data in self.files.items() if each.startswith("tile/1/000"))
            root = above[index * DIGEST : (index + 1) * DIGEST]
            files["tile/1/000.p/1"] = root
        else:
            hashes = [tile[at : at + DIGEST] for at in range(0, len(tile), DIGEST)]
            root = root_of(hashes)
        tree = Checkpoint("a.subtree", width, root)
        changed = f"tile/{'entries' if 'entries' in name else '0'}/000{suffix}"
        return lambda data: self._audit(changed, data, tree, files)

    def _audit(self, name: str, data: bytes, tree: Checkpoint, files: dict[str, bytes]) -> list[str]:
        read = {**files, name: data}.__getitem__
        return [each.message for each in audit(read, tree).findings]

    def _put(self, name: str, data: bytes) -> None:
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT)
        try:
            os.ftruncate(descriptor, len(data))
            os.pwrite(descriptor, data, 0)
        finally:
            os.close(descriptor)

    def flipped(self, name: str, bit: int) -> bytes:
        """The file with one bit flipped."""
        data = bytearray(self.files[name])
        data[bit // 8] ^= 1 << bit % 8
        return bytes(data)


def of_the_cosignature(flips: Flips, bit: int) -> bool:
    """Whether a bit of the checkpoint is of the line of the witness, whom only a policy knows."""
    return bit // 8 >= flips.files["checkpoint"].index("— witness".encode())


def test_a_sample_of_all_bits_is_refused_by_what_they_can_influence(site: Site) -> None:
    flips = Flips(site)
    assert sum(count for _, count in flips.bits) >= 8 * 100_000
    chance = random.Random(7)
    for number in range(SAMPLE):
        name, count = flips.bits[number % len(flips.bits)]
        bit = chance.randrange(count)
        if name != "checkpoint" or not of_the_cosignature(flips, bit):
            assert flips.refuser(name)(flips.flipped(name, bit)), (name, bit)


def test_what_a_file_can_influence_is_all_that_the_whole_verification_would_refuse(site: Site) -> None:
    flips = Flips(site)
    chance = random.Random(8)
    for number in range(COMPARED):
        name, count = flips.bits[number % len(flips.bits)]
        bit = chance.randrange(count)
        if name == "checkpoint" and of_the_cosignature(flips, bit):
            continue
        data = flips.flipped(name, bit)
        problems = flips.refuser(name)(data)
        flips._put(name, data)
        try:
            verdict = site.verify()
        finally:
            flips._put(name, flips.files[name])
        assert not verdict.holds, (name, bit)
        assert verdict.outcome == "damaged"
        assert problems, (name, bit)
        named = [f"{each.where} {each.problem}" for each in verdict.findings]
        assert any(name in each or f"{flips.shard.name}:" in each for each in named), (name, bit, named)
    assert site.verify().holds


def test_a_file_that_nobody_touched_is_not_refused(site: Site) -> None:
    flips = Flips(site)
    for name, data in flips.files.items():
        assert flips.refuser(name)(data) == [], name


def test_every_bit_of_a_cosignature_is_refused_by_who_asks_for_it(site: Site) -> None:
    policy = site.witnessed
    flips = Flips(site)
    demand, _ = make_demand(policy=policy)
    assert demand.policy is not None
    first = flips.files["checkpoint"].index("— witness".encode())
    for bit in range(8 * first, 8 * len(flips.files["checkpoint"])):
        with pytest.raises(WhenceError):
            demand.policy.met_by(flips.flipped("checkpoint", bit))


@pytest.mark.long
@pytest.mark.parametrize("piece", range(PIECES))
def test_every_bit_is_refused(site: Site, piece: int) -> None:
    flips = Flips(site)
    found = 0
    for name, count in flips.bits:
        refuse = flips.refuser(name)
        for bit in range(piece, count, PIECES):
            if name == "checkpoint" and of_the_cosignature(flips, bit):
                continue
            assert refuse(flips.flipped(name, bit)), (name, bit)
            found += 1
    print(f"{found:,} bits, each refused")


def spellings(line: str) -> Iterator[str]:
    """Other ways to write a signature line that a lenient reader takes for the same."""
    dash, name, value = line.removesuffix("\n").split(" ")
    raw = base64.b64decode(value)
    yield f"{dash} {name} {value.rstrip('=')}\n"
    yield f"{dash} {name} {value}=\n"
    yield f"{dash} {name} {value}====\n"
    yield f"{dash} {name} {base64.urlsafe_b64encode(raw).decode()} \n"
    yield f"{dash} {name}  {value}\n"
    yield f"{dash}  {name} {value}\n"
    yield f" {dash} {name} {value}\n"
    yield f"{dash} {name} {value} \n"
    yield f"{dash} {name} {value}\r\n"
    yield f"{dash}\t{name} {value}\n"
    yield f"- {name} {value}\n"
    yield f"\u2013 {name} {value}\n"
    yield f"{dash}\u00a0{name} {value}\n"
    yield f"{dash} {name} {value[:20]}\n{value[20:]}\n"
    yield f"{dash} {name} {value[:20]} {value[20:]}\n"
    yield f"{dash} {name} {base64.b32encode(raw).decode()}\n"
    yield f"{dash} {name} {raw.hex()}\n"
    yield f"{dash} {name.upper()} {value}\n"
    yield f"{dash} {name}/ {value}\n"
    yield line + line
    yield line + "\n"
    yield "\n" + line
    yield f"{dash} {name} {base64.b64encode(raw + bytes(1)).decode()}\n"
    yield f"{dash} {name} {base64.b64encode(raw[:-1]).decode()}\n"
    yield f"{dash} {name} {_malleable(raw)}\n"
    for spare in range(1, 16):  # the bits of the last letter that no byte needs
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        last = value.rstrip("=")[-1]
        other = letters[letters.index(last) ^ spare]
        yield f"{dash} {name} {value.rstrip('=')[:-1]}{other}{'=' * (len(value) - len(value.rstrip('=')))}\n"


def _malleable(raw: bytes) -> str:
    """The other number that is the same modulo the group's order, which RFC 8032 refuses."""
    order = 2**252 + 27742317777372353535851937790883648493
    number = int.from_bytes(raw[-32:], "little") + order
    return base64.b64encode(raw[:-32] + number.to_bytes(32, "little")).decode()


def test_every_other_spelling_of_a_signature_is_refused(site: Site) -> None:
    flips = Flips(site)
    text, _, lines = flips.files["checkpoint"].decode().rpartition("\n\n")
    own, cosigned = lines.splitlines(keepends=True)
    for spelled in spellings(own):
        if spelled == own:
            continue
        data = f"{text}\n\n{spelled}{cosigned}".encode()
        assert data != flips.files["checkpoint"]
        assert flips.refuser("checkpoint")(data), spelled
