"""A second reader of runs, written from docs/reference/format.md: it uses nothing of whence."""

from __future__ import annotations

import hashlib
import json
import pathlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import xxhash

from tests.rooms.store.blocks import read_positions, read_repeated, read_steps

MARK = b"\xf7WHF"


def read_content(data: bytes) -> Any:
    """Read msgpack, with the extensions for texts that Unicode lacks."""

    def unwrap(code: int, content: memoryview) -> Any:
        if code == 2:
            parts = read_content(bytes(content))
            return dict(zip(parts[::2], parts[1::2], strict=True))
        assert code == 1
        return bytes(content).decode("utf-8", "surrogatepass")

    return msgspec.msgpack.decode(data, ext_hook=unwrap)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@dataclass
class File:
    """A framed file: its frames as (kind, payload), the chain at each end, whether it was cut off."""

    frames: list[tuple[int, bytes]] = field(default_factory=list)
    chain: bytes = b""
    size: int = 0
    is_cut_off: bool = False
    ends: dict[int, tuple[int, bytes]] = field(default_factory=dict)


def read_file(path: pathlib.Path, purpose: str) -> File:
    """Read a framed file without damage; anything else is an assertion that fails."""
    data = path.read_bytes()
    head = data[:16]
    assert head == b"whence\x00\x01" + purpose.encode().ljust(8, b"\x00")
    file = File(chain=sha256(head), size=16)
    at = 16
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 48 + length
        if len(data) < at + 48 or len(data) < end:
            file.is_cut_off = True
            break
        mark, _, kind, zero, checksum, chain = struct.unpack("<4sIHHI32s", data[at : at + 48])
        covered = data[at + 4 : at + 12] + data[at + 48 : end]
        assert (mark, zero) == (MARK, 0)
        assert checksum == zlib.crc32(covered)
        file.chain = sha256(file.chain + covered)
        assert chain == file.chain
        file.frames.append((kind, data[at + 48 : end]))
        at = file.size = end
        file.ends[end] = len(file.frames), chain
    return file


@dataclass
class RunReader:
    """A run, read from its folder.

    Args:
        path: the run's folder.
    """

    path: pathlib.Path

    def __post_init__(self) -> None:
        self.journal = read_file(self.path / "journal", "journal")
        self.objects: dict[bytes, bytes] = {}
        bodies: dict[bytes, Any] = {}
        payloads = self.path / "payloads"
        for kind, payload in read_file(payloads, "payload").frames if payloads.exists() else []:
            if kind == 2:
                self.objects[sha256(payload)] = payload
            elif kind == 1:
                entry = read_content(payload)
                bodies[sha256(entry["s"] + entry["b"])] = read_content(entry["b"])
        self.events: list[tuple[str, int, dict[str, Any], Any]] = []
        for kind, payload in self.journal.frames:
            if kind == 1:
                event = read_content(payload)
                assert event["n"] == len(self.events)
                self.events.append((event["k"], event["at"], event["p"], bodies.get(event.get("c"))))

    def find(self, kind: str) -> Iterator[tuple[dict[str, Any], Any]]:
        """Give public part and body of the events of a kind."""
        return ((public, body) for found, _, public, body in self.events if found == kind)

    def check_segments(self) -> None:
        """Compare each segment of an ended run with what the journal commits to, each time it ended."""
        last = {}
        for public, _ in self.find("segment"):
            file = self.segment(public["name"])
            assert file.ends[public["bytes"]] == (public["frames"], public["chain"])
            last[public["name"]] = file, public["bytes"]
        for file, size in last.values():
            assert (file.size, file.is_cut_off) == (size, False)
        assert last.keys() == {path.name for path in (self.path / "segments").iterdir()}

    def segment(self, name: str) -> File:
        """Read a segment."""
        return read_file(self.path / "segments" / name, name[:8])

    def read_object(self, digest: bytes) -> bytes:
        """Read an artifact or a model."""
        if digest in self.objects:
            return self.objects[digest]
        name = digest.hex()
        data = (self.path.parents[1] / "objects" / name[:2] / name[2:]).read_bytes()
        data = zlib.decompress(data) if data[:2] == b"\x78\x01" else data
        assert sha256(data) == digest
        return data

    def cursors(self) -> list[tuple[int, int]]:
        """Read offered and taken of each pass."""
        data = (self.path / "cursors").read_bytes()
        return list(struct.iter_unpack("<QQ", data))

    def paths(self, number: int) -> list[str]:
        """List the parts of a source."""
        (body,) = (body for public, body in self.find("source") if public["source"] == number)
        paths: str = zlib.decompress(body["paths"]).decode("utf-8", "surrogateescape")
        return paths.split("\0")

    def part_digests(self, number: int) -> dict[tuple[int, int], bytes]:
        """Read the latest digest of each part, or block of rows, of a source."""
        found: dict[tuple[int, int], bytes] = {}
        for public, body in self.find("source_parts"):
            if public["source"] != number:
                continue
            width = {"sha256": 32, "xxh3-128": 16}[body["algorithm"]]
            firsts = body.get("first_rows", [0] * len(body["parts"]))
            for place, (part, first) in enumerate(zip(body["parts"], firsts, strict=True)):
                found[part, first] = body["digests"][place * width : (place + 1) * width]
        return found

    def decisions(self, number: int) -> dict[int, list[list[Any]]]:
        """Read what was decided in a pass that isn't sealed, by node: (inputs, outputs, data, more)."""
        found: dict[int, list[list[Any]]] = {}
        for kind, payload in read_file(self.path / "segments" / f"decisions-{number}", "decision").frames:
            frame = read_content(payload)
            assert (kind, frame["p"]) == (1, number)
            for node, *entry in frame["n"]:
                found.setdefault(node, []).append(entry)
        return found

    def blocks(self, number: int) -> dict[tuple[int, int, int], list[tuple[int, int, bytes]]]:
        """Read the blocks of a sealed pass by node, role and input: (inputs, outputs, data)."""
        (sealed,) = (public["lineage"] for public, _ in self.find("pass_end") if public["pass"] == number)
        data = (self.path / "segments" / "lineage").read_bytes()
        length = int.from_bytes(data[sealed["at"] + 4 : sealed["at"] + 8], "little")
        directory = data[sealed["at"] + 48 : sealed["at"] + 48 + length]
        assert sha256(directory) == sealed["digest"]
        found_number, list_count = struct.unpack("<II", directory[:8])
        assert found_number == number
        found: dict[tuple[int, int, int], list[tuple[int, int, bytes]]] = {}
        at = 8 + 32 * list_count
        for entry in struct.iter_unpack("<IHHIIQQ", directory[8:at]):
            node, role, source, count, zero, ins, outs = entry
            columns = struct.unpack(f"<{4 * count}q", directory[at : at + 32 * count])
            chains = directory[at + 32 * count : at + 96 * count]
            at += 96 * count
            blocks = found[node, role, source] = []
            for block in range(count):
                in_start, out_start, offset, size = columns[block::count]
                frame = data[offset : offset + 48 + size]
                before = chains[32 * block : 32 * (block + 1)]
                assert sha256(before + frame[4:12] + frame[48:]) == chains[32 * (count + block) :][:32]
                head = struct.unpack("<IIHHIQQ", frame[48:80])
                assert head[:5] == (number, node, role, source, 0)
                assert (in_start, out_start) == (sum(b[0] for b in blocks), sum(b[1] for b in blocks))
                blocks.append((*head[5:], frame[80:]))
            assert (zero, ins, outs) == (0, sum(b[0] for b in blocks), sum(b[1] for b in blocks))
        assert at == len(directory)
        return found

    def counts(self, number: int, node: int, role: int, source: int = 0) -> list[int]:
        """How many outputs each input gave, in a list of steps."""
        blocks = self.blocks(number).get((node, role, source), [])
        return [count for ins, outs, data in blocks for count in read_steps(data, ins, outs).counts]

    def kept(self, number: int, node: int) -> list[int]:
        """List the inputs that a selection let through."""
        return [place for place, count in enumerate(self.counts(number, node, 2)) if count]

    def repeated(self, number: int, node: int) -> dict[int, int]:
        """Find which input each dropped one repeats."""
        counts = self.counts(number, node, 2)
        kept = [place for place, count in enumerate(counts) if count]
        dropped = [place for place, count in enumerate(counts) if not count]
        found: list[int] = []
        for ins, _, data in self.blocks(number).get((node, 4, 0), []):
            before = [sum(counts[:place]) for place in dropped[len(found) : len(found) + ins]]
            found += [kept[output] for output in read_repeated(data, before)]
        return dict(zip(dropped, found, strict=True))

    def relation(self, number: int, node: int, source: int, *, forward: bool) -> list[list[int]]:
        """Read of which positions of an input each output was made, or the other way round."""
        role = 7 if forward else 5
        blocks = self.blocks(number).get((node, role + 1, source), [])
        values = iter([value for ins, _, data in blocks for value in read_positions(data, ins)])
        return [[next(values) for _ in range(count)] for count in self.counts(number, node, role, source)]

    def digests(self, number: int) -> tuple[list[int], list[bytes]]:
        """Read the witnesses of a pass's items and the digests of its batches, where they are in order."""
        items: list[int] = []
        groups: list[bytes] = []
        for kind, payload in self.segment("digests").frames:
            frame = read_content(payload)
            if kind == 1 and frame["p"] == number:
                assert "b" not in frame
                items += [word for (word,) in struct.iter_unpack("<I", frame["i"])]
                groups += [frame["g"][at : at + 16] for at in range(0, len(frame["g"]), 16)]
                assert sum(frame["s"][1::2]) == len(frame["g"]) // 16
                sizes = zip(frame["s"][::2], frame["s"][1::2], strict=True)
                assert sum(size * count for size, count in sizes) == len(frame["i"]) // 4
        return items, groups


def fmix64(word: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        word = ((word ^ (word >> 33)) * factor) % 2**64
    return word ^ (word >> 33)


def fast(data: bytes, seed: int = 0) -> int:
    return xxhash.xxh3_64_intdigest(data, seed)


def witness(sample: Any) -> int:
    """Witness a sample of integers, floats, texts, lists, tuples and dicts."""
    if type(sample) is int:
        return fmix64((sample % 2**64) ^ fast(b"int"))
    if type(sample) is float:
        return fmix64(int.from_bytes(struct.pack("<d", sample), "little") ^ fast(b"float"))
    if type(sample) is str:
        return fast(sample.encode(), fast(b"str"))
    if type(sample) in (list, tuple) and sample and all(type(x) is str and "\0" not in x for x in sample):
        return fast("\0".join(sample).encode(), fast(type(sample).__name__.encode()) ^ fast(b"str"))
    if type(sample) in (list, tuple):
        pairs = [(witness(item), number) for number, item in enumerate(sample)]
    else:
        pairs = [(witness(sample[key]), witness(key)) for key in sorted(sample)]
    folded = fast(type(sample).__name__.encode())
    for item, key in pairs:
        folded = fmix64(((folded ^ item) * 0x9E3779B97F4A7C15 + key) % 2**64)
    return folded


def key64(*parts: int | str) -> int:
    """Make a key of integers and texts of ASCII, whose canonical bytes are plain JSON."""
    spelled = json.dumps(list(parts), separators=(",", ":")).encode()
    return int.from_bytes(sha256(spelled)[:8], "little")


def read_workspace(path: pathlib.Path) -> list[RunReader]:
    """Read all runs of a workspace, oldest first."""
    assert json.loads((path / "format").read_text())["format"] == 1
    return [RunReader(found) for found in sorted((path / "runs").iterdir())]
