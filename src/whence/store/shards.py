"""Shards that go from one workspace to another: copied whole, as of one checkpoint; no history is replaced.

A copy is as its checkpoint says, which is read first: what it covers stays readable for ever. The copy is
checked to the last byte before it is put in place. A shard that both sides have is extended where one side's
is the beginning of the other's; where it isn't, both stay as they are. What an entry of the target says was
erased doesn't come back.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from whence.errors import DamagedError, EvidenceError, ForkError, NotFoundError, ProofError
from whence.ledger import (
    WIDTH,
    Checkpoint,
    HashReader,
    Opening,
    audit,
    check_consistency,
    check_note,
    consistency_proof,
    parse_checkpoint,
    parse_entry,
    parse_note,
    parse_vkey,
    paths_of,
)
from whence.store.files import explained, make_folder, sync_folder, write_whole
from whence.store.folder import Folder
from whence.store.ledger import CHECKPOINT, Ledger, Shard
from whence.store.ledger.locks import locked
from whence.store.ledger.payloads import encode_openings, payload_path
from whence.store.ledger.scribe import OwnShards
from whence.store.snapshots import list_files, sync_all

LEDGER = "ledger"

_BESIDE = re.compile(r"anchors/(?P<size>[0-9]+)-[^/]+")
_NO_OPENING = (b"", b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A shard as of one checkpoint.

    Args:
        shard: it; may have grown since.
        note: the checkpoint, signed.
        tree: what it says.
    """

    shard: Shard
    note: bytes
    tree: Checkpoint

    def files(self, erased: Collection[int] = ()) -> Iterator[tuple[str, bytes]]:
        """Give its files by their paths in it, the checkpoint last.

        Args:
            erased: the entries whose openings are left out.

        Raises:
            NotFoundError, DamagedError, StoreError: one can't be read, or isn't whole.
        """
        shard, size = self.shard, self.tree.size
        for path in paths_of(size):
            yield path, shard.read(path)
        for bundle in range(-(-size // WIDTH)):
            count = min(WIDTH, size - bundle * WIDTH)
            openings = _kept(shard.openings(bundle)[:count], bundle, erased)
            yield payload_path(bundle), encode_openings(openings)
        for name in list_files(shard.path):
            beside = _BESIDE.fullmatch(name)
            if beside is not None and int(beside["size"]) <= size:
                with explained(shard.path / name):
                    yield name, (shard.path / name).read_bytes()
        yield CHECKPOINT, self.note


def pin_shards(folder: Folder) -> tuple[list[Pinned], list[tuple[pathlib.Path, str]]]:
    """Read the checkpoints of a workspace's shards; and name those that have none that can be read."""
    found, unreadable = [], []
    for shard in Ledger(folder).shards():
        try:
            note = shard.checkpoint()
            tree = parse_checkpoint(parse_note(note).text)
        except (EvidenceError, NotFoundError) as error:
            unreadable.append((shard.path, error.message))
        else:
            found.append(Pinned(shard=shard, note=note, tree=tree))
    return found, unreadable


def split_shards(folder: Folder) -> tuple[list[Shard], list[Shard]]:
    """List the shards that were begun in a workspace, and those that came from others."""
    own = {shard.name for shard in OwnShards(folder.path / LEDGER).list()}
    shards = Ledger(folder).shards()
    return [each for each in shards if each.name in own], [each for each in shards if each.name not in own]


@dataclass(slots=True, kw_only=True)
class Merged:
    """What became of one shard.

    Args:
        relation: `new`, `behind` (extended, or to be), `same`, or `ahead` where the target has more.
        written_bytes: how much was written, or would be.
    """

    relation: Literal["new", "behind", "same", "ahead"]
    written_bytes: int = 0


def merge_shard(theirs: Pinned, target: Folder, stage: pathlib.Path, *, dry_run: bool) -> Merged:
    """Bring a shard to a workspace, or what the workspace lacks of it.

    Args:
        theirs: the shard; only read.
        target: the workspace.
        stage: a folder for what is on its way.
        dry_run: only tell what would be done.

    Raises:
        ForkError: both tell another history; nothing of either is touched.
        DamagedError, ProofError, SignatureError, NotFoundError: it isn't what its checkpoint says.
        StoreError: the workspace can't be written.
    """
    ours = Shard(target.path / LEDGER / theirs.shard.name)
    if (ours.path / CHECKPOINT).exists() and _is_settled(theirs, ours):
        return Merged(relation="same" if ours.size == theirs.tree.size else "ahead")
    staged = stage / "ledger" / theirs.shard.name
    try:
        size = _stage(theirs, staged, _erased_in(target, theirs.shard.name))
        if dry_run:
            return Merged(relation="behind" if ours.path.exists() else "new", written_bytes=size)
        with explained(target.path / LEDGER):
            make_folder(target.path / LEDGER)
        with locked(target.path / LEDGER / "lock"):
            if not ours.path.exists():
                with explained(ours.path):
                    staged.rename(ours.path)
                    sync_folder(ours.path.parent)
                return Merged(relation="new", written_bytes=size)
            return _extend(theirs, ours, staged)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _is_settled(theirs: Pinned, ours: Shard) -> bool:
    """Whether the target has all of a shard.

    Raises:
        ForkError: what it has is another history.
    """
    tree = ours.tree
    if theirs.tree.size > tree.size:
        return False
    _check_continues(theirs.tree, tree, ours.hashes(), ours)
    here = set(list_files(ours.path))
    return all(name in here for name in list_files(theirs.shard.path) if _BESIDE.fullmatch(name) is not None)


def _check_continues(old: Checkpoint, new: Checkpoint, hashes: HashReader, ours: Shard) -> None:
    """Check that a log is the beginning of another; raises `ForkError`."""
    try:
        if old.origin != new.origin:
            raise ProofError(f"the origins are {old.origin} and {new.origin}")
        proof = consistency_proof(hashes, old.size, new.size) if old.size else []
        check_consistency(proof, old_size=old.size, old_root=old.root, size=new.size, root=new.root)
    except ProofError as error:
        raise ForkError(
            f"{ours.path}: tells another history than its namesake ({error.message})",
            remedy="Nothing of either was touched; whence verify on both tells more.",
        ) from error


def _stage(theirs: Pinned, staged: pathlib.Path, erased: Collection[int]) -> int:
    """Copy a shard aside, force it to the disk, and check all of it; returns how many bytes it has."""
    written = 0
    names = []
    for name, content in theirs.files(erased):
        path = staged / name
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        names.append(name)
        written += len(content)
    sync_all([staged / name for name in names])
    sync_all({(staged / name).parent for name in names} | {staged})
    copy = Shard(staged)
    check_note(theirs.note, [parse_vkey(copy.vkey)])
    found = audit(copy.read, theirs.tree)
    if found.findings:
        first = found.findings[0]
        place = theirs.shard.path / first.path
        raise DamagedError(f"{place}: {first.message}", place=str(place))
    _check_openings(copy)
    return written


def _check_openings(copy: Shard) -> None:
    """Check that what entries commit to is what they commit to."""
    openings: list[Opening | None] = []
    for index, data in copy.entries():
        if not index % WIDTH:
            openings = copy.openings(index // WIDTH)
        opening = openings[index % WIDTH]
        if opening is not None:
            try:
                parse_entry(data).check_opening(opening)
            except DamagedError as error:
                raise DamagedError(f"{copy.name}:{index}: {error.message}") from error


def _extend(theirs: Pinned, ours: Shard, staged: pathlib.Path) -> Merged:
    """Put what is new in place, the checkpoint last; who does so holds the ledger alone."""
    copy, old = Shard(staged), ours.tree
    if theirs.tree.size <= old.size:  # it grew meanwhile, or lacks only what lies beside
        _check_continues(theirs.tree, old, ours.hashes(), ours)
        written = sum(_put_beside(staged, ours.path))
        return Merged(relation="same" if old.size == theirs.tree.size else "ahead", written_bytes=written)
    _check_continues(old, theirs.tree, copy.hashes(), ours)
    written = sum(_put_beside(staged, ours.path))
    known = set(paths_of(old.size))
    for path in paths_of(theirs.tree.size):
        if path not in known:
            written += _put(staged / path, ours.path / path)
    for bundle in range(old.size // WIDTH, -(-theirs.tree.size // WIDTH)):
        count = max(0, min(WIDTH, old.size - bundle * WIDTH))
        kept = [_spelled(each) for each in (ours.openings(bundle) if count else [])]
        new = [_spelled(each) for each in copy.openings(bundle)[count:]]
        content = encode_openings([*kept, *new])
        write_whole(ours.path / payload_path(bundle), content)
        written += len(content)
    write_whole(ours.path / CHECKPOINT, theirs.note)
    return Merged(relation="behind", written_bytes=written + len(theirs.note))


def _put_beside(staged: pathlib.Path, here: pathlib.Path) -> Iterator[int]:
    for name in list_files(staged):
        if _BESIDE.fullmatch(name) is not None and not (here / name).exists():
            yield _put(staged / name, here / name)


def _put(staged: pathlib.Path, here: pathlib.Path) -> int:
    with explained(here):
        make_folder(here.parent)
        size = staged.stat().st_size
        staged.replace(here)
        sync_folder(here.parent)
    return size


def _erased_in(folder: Folder, name: str) -> set[int]:
    """Find which entries of a shard some entry here says were erased."""
    found: set[int] = set()
    for shard in Ledger(folder).shards():
        for _, data in shard.entries():
            if b'"kind":"erasure"' in data:
                public: Mapping[str, object] = json.loads(data).get("public", {})
                indices = public.get("indices")
                if public.get("shard") == name and isinstance(indices, list):
                    found |= {index for index in indices if isinstance(index, int)}
    return found


def _kept(openings: list[Opening | None], bundle: int, erased: Collection[int]) -> list[tuple[bytes, bytes]]:
    return [
        _NO_OPENING if bundle * WIDTH + place in erased else _spelled(each)
        for place, each in enumerate(openings)
    ]


def _spelled(opening: Opening | None) -> tuple[bytes, bytes]:
    return _NO_OPENING if opening is None else (opening.salt, opening.payload)
