"""Who writes shards: recovers, extends, closes and begins them; signs only what continues what was signed.

A shard has one key and is written in one workspace, by those whose key it is. It is left for another one when
the year or the key changes, and when it isn't what was signed last any more; each says which came before.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from whence.errors import DamagedError, ForkError, InputError, NotFoundError, ProofError, SignatureError
from whence.ledger import (
    SALT_BYTES,
    Checkpoint,
    Grower,
    HashReader,
    SigningKey,
    Statement,
    check_note,
    consistency_proof,
)
from whence.store.files import explained, explained_reading, make_folder, sync_folder, write_whole
from whence.store.ledger.extending import (
    check_edge,
    check_extension,
    drop_partials,
    plan_extension,
    write_extension,
)
from whence.store.ledger.keyring import KeyRing
from whence.store.ledger.leftovers import drop_leftovers
from whence.store.ledger.memory import check_continues
from whence.store.ledger.shard import CHECKPOINT, Shard
from whence.store.ledger.staging import Addition
from whence.vocab import encode_content

OWN = "own"

_SUCCESSIONS = ("year", "rotation", "rolled-back", "damaged")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_LETTER_COUNT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A shard that can be extended.

    Args:
        shard: it; its folder is hidden while it has no checkpoint.
        origin: the log's name.
        key: signs it.
        grower: its right edge, checked against what was signed.
        beginning: its first entry, where it is to be written yet.
    """

    shard: Shard
    origin: str
    key: SigningKey
    grower: Grower
    beginning: tuple[Addition, ...] = ()


class OwnShards:
    """The shards that were begun in a workspace; what their beginnings say is read once.

    Args:
        path: the ledger's folder.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._known: dict[str, Shard] = {}

    def list(self) -> list[Shard]:
        """List those that are here and can be read."""
        return [each for each in self._here() if _can_be_read(each)]

    def find_lost(self) -> Shard | None:
        """Find one that is here and can't be read, and after which none was begun."""
        here = self._here()
        befores = [each.beginning.before for each in here if _can_be_read(each)]
        known = {before.get("shard") for before in befores if before}
        return next((each for each in here if not _can_be_read(each) and each.name not in known), None)

    def add(self, name: str) -> None:
        """Note that one is begun here."""
        names = self._names()
        if name not in names:
            write_whole(self.path / OWN, "".join(f"{each}\n" for each in [*names, name]).encode())

    def _here(self) -> Sequence[Shard]:
        found = [self._known.setdefault(name, Shard(self.path / name)) for name in self._names()]
        return [each for each in found if each.path.is_dir()]

    def _names(self) -> Sequence[str]:
        try:
            with explained_reading(self.path / OWN):
                return (self.path / OWN).read_text(encoding="ascii").split()
        except NotFoundError:
            return []


class Scribe:
    """Writes the shards of a ledger; whoever has it holds the ledger alone.

    Args:
        own: the shards that were begun in this workspace.
        keys: sign.
        origin: what the names of logs begin with.
        now_ms: the clock.
    """

    def __init__(self, own: OwnShards, keys: KeyRing, *, origin: str, now_ms: Callable[[], int]) -> None:
        self.path = own.path
        self._own = own
        self._keys = keys
        self._origin = origin
        self._now_ms = now_ms

    def open(self, project: str) -> Head:
        """Find the shard that is written for a project, or begin one; what a dead process left is put right.

        Raises:
            KeyUnusableError: no key can be used.
            StoreError: the shard can't be read or written.
        """
        own = self._own.list()
        newest = max(own, key=_begun_ms, default=None)
        key = self._keys.current()
        shard = newest_of(own, project, lambda vkey: self._keys.find_key(vkey) is not None)
        lost = self._own.find_lost()
        if shard is None and lost is not None:
            return self._begin(key, project, why="damaged", before=lost)
        if shard is None:
            is_ours = newest is not None and self._keys.find_key(newest.vkey) is not None
            why = "first" if newest is None else ("project" if is_ours else "other-key")
            return self._begin(key, project, why=why, before=newest)
        try:
            head = self._recover(shard)
        except ForkError:
            return self._begin(key, project, why="rolled-back", before=shard)
        except (DamagedError, ProofError, SignatureError, InputError, NotFoundError):
            return self._begin(key, project, why="damaged", before=shard)
        ended = shard.end()
        if ended is not None:
            named = ended.get("next", {}).get("shard", "")
            return self._begin(key, project, why=str(ended.get("why", "")), before=shard, name=named)
        why = ""
        if head.key != key:
            why = "rotation"
        elif shard.name.partition("-")[0] != self._year():
            why = "year"
        return head if not why else self._succeed(head, key, project, why)

    def extend(self, head: Head, additions: Sequence[Addition], *, project: str) -> Head:
        """Log more entries; they are logged when this returns.

        Returns:
            The shard as it is then; another one, where the one that it was may not be signed any more.

        Raises:
            StoreError, DamagedError: nothing of them was signed.
        """
        try:
            return self._extend(head, additions)
        except ForkError:  # a copy of the log was extended in this very moment
            drop_leftovers(head.shard.path, head.grower.size)
            head = self._begin(self._keys.current(), project, why="rolled-back", before=head.shard)
            return self._extend(head, additions)

    def clean(self) -> None:
        """Take away what processes left in the shards that died before they had signed."""
        for shard in self._own.list():
            with contextlib.suppress(DamagedError, SignatureError, NotFoundError, ForkError):
                last = self._keys.remembered(shard.origin)
                drop_leftovers(shard.path, max(shard.size, 0 if last is None else last.size))

    def finish_begun(self) -> None:
        """Put the shards in place whose first checkpoint was signed, and take away those where it wasn't."""
        for name in os.listdir(self.path):
            if name.startswith(f".{OWN}."):
                (self.path / name).unlink()
            if not name.startswith(".") or not (self.path / name).is_dir():
                continue
            shard = Shard(self.path / name)
            if not self._is_finished(shard):
                shutil.rmtree(shard.path)

    def _is_finished(self, shard: Shard) -> bool:
        origin = self._origin_of(shard.name)
        try:
            tree = self._keys.remembered(origin)
            if tree is None:
                return False
            grower = _grown(shard, tree, old_size=0)
            vkey = shard.begun_as(tree.size).vkey
        except (ForkError, DamagedError, NotFoundError, InputError):
            return False
        key = self._keys.find_key(vkey)
        if key is None:
            return False
        self._sign(Head(shard=shard, origin=origin, key=key, grower=grower))
        return True

    def _recover(self, shard: Shard) -> Head:
        """Check a shard against what was signed last, and put a checkpoint in place that was signed only.

        Raises:
            ForkError: it isn't what was signed last.
            DamagedError, ProofError, SignatureError, InputError, NotFoundError: it isn't a whole log.
        """
        tree = shard.tree
        key = self._keys.find_key(shard.vkey)
        assert key is not None, "only shards of these keys are opened"
        signer = self._keys.signer(key, tree.origin)
        check_note(shard.checkpoint(), [signer.verifier])
        if signer.vkey != shard.vkey:
            raise DamagedError(f"{shard.path}: the checkpoint is another log's", place=str(shard.path))
        head = Head(shard=shard, origin=tree.origin, key=key, grower=shard.hashes().edge)
        check_edge(shard.path, head.grower)
        last = self._keys.remembered(tree.origin)
        if last is None or (last.size, last.root) == (tree.size, tree.root):
            return head
        if last.size <= tree.size:
            check_continues(last, tree, lambda size: consistency_proof(shard.hashes(), size, tree.size))
            return head
        try:
            grower = _grown(shard, last, old_size=tree.size)
            check_continues(tree, last, lambda size: consistency_proof(_reader(shard, last), size, last.size))
        except (NotFoundError, DamagedError, InputError) as error:
            raise ForkError(
                f"{shard.path}: {last.size} entries were signed, and {tree.size} are here",
                remedy="It was rolled back: restore the newer one, or go on with a new shard.",
            ) from error
        return self._sign(replace(head, grower=grower))

    def _succeed(self, head: Head, key: SigningKey, project: str, why: str) -> Head:
        """Close a shard and begin the one that it names."""
        name = self._new_name()
        public = {"next": {"origin": self._origin_of(name), "shard": name}, "why": why}
        self._extend(
            head, [self._addition(Statement("end", self._now(head.shard), encode_content({}), public))]
        )
        return self._begin(key, project, why=why, before=head.shard, name=name)

    def _begin(
        self, key: SigningKey, project: str, *, why: str, before: Shard | None, name: str = ""
    ) -> Head:
        """Work out the beginning of a shard; nothing of it is written before it is extended."""
        if not name or (self.path / name).exists() or self._keys.remembered(self._origin_of(name)):
            name = self._new_name()
        origin = self._origin_of(name)
        public: dict[str, Any] = {"vkey": self._keys.signer(key, origin).vkey, "why": why}
        if before is not None:
            public["before"] = _told(before)
        if why == "rolled-back" and before is not None:
            with contextlib.suppress(ForkError):  # what was signed can't be read
                last = self._keys.remembered(before.origin)
                public |= {} if last is None else {"signed": _spelled(last)}
        if project:
            public["project"] = project
        first = Statement("shard", self._now(before), encode_content({}), public)
        return Head(
            shard=Shard(self.path / f".{name}"),
            origin=origin,
            key=key,
            grower=Grower(),
            beginning=(self._addition(first),),
        )

    def _extend(self, head: Head, additions: Sequence[Addition]) -> Head:
        extension = plan_extension(head.shard.path, head.grower, [*head.beginning, *additions])
        with explained(head.shard.path):
            make_folder(head.shard.path)
        write_extension(head.shard.path, extension)
        done = self._sign(replace(head, grower=extension.growth.grower, beginning=()))
        drop_partials(done.shard.path, extension)
        return done

    def _sign(self, head: Head) -> Head:
        """Sign a shard as it is on the disk, and put the checkpoint in place."""
        tree = Checkpoint(head.origin, head.grower.size, head.grower.root)
        reader = _reader(head.shard, tree)
        note = self._keys.sign(head.key, tree, lambda size: consistency_proof(reader, size, tree.size))
        path = head.shard.path
        write_whole(path / CHECKPOINT, note.encode())
        if path.name != head.shard.name:
            self._own.add(head.shard.name)
            path = self.path / head.shard.name
            with explained(path):
                head.shard.path.rename(path)
                sync_folder(self.path)
            return replace(head, shard=Shard(path))
        return head

    def _addition(self, statement: Statement) -> Addition:
        salt = secrets.token_bytes(SALT_BYTES)
        return Addition(statement.entry(salt), salt, statement.payload)

    def _now(self, after: Shard | None) -> int:
        """The time; never before that of the shard before, so that they can be ordered."""
        begun_ms = 0 if after is None or not _can_be_read(after) else _begun_ms(after)
        return max(self._now_ms(), begun_ms)

    def _year(self) -> str:
        return f"{time.gmtime(self._now_ms() / 1000).tm_year:04d}"

    def _new_name(self) -> str:
        letters = "".join(secrets.choice(_LETTERS) for _ in range(_LETTER_COUNT))
        return f"{self._year()}-{letters}"

    def _origin_of(self, name: str) -> str:
        return f"{self._origin}/{name}"


def own_shards(path: pathlib.Path) -> Sequence[Shard]:
    """List the shards of a ledger that were begun in this workspace; only these are written here."""
    return OwnShards(path).list()


def newest_of(own: Sequence[Shard], project: str, is_ours: Callable[[str], bool]) -> Shard | None:
    """Find the shard that is written for a project by those who have certain keys.

    Args:
        own: the shards that were begun here.
        project: whose it is to be.
        is_ours: tells whether a verifier key is one of those.
    """
    left = {
        each.beginning.before.get("shard")
        for each in own
        if each.beginning.before and each.beginning.why in _SUCCESSIONS
    }
    found = [
        each
        for each in own
        if each.name not in left and each.beginning.project == project and is_ours(each.vkey)
    ]
    return max(found, key=_begun_ms, default=None)


def _can_be_read(shard: Shard) -> bool:
    """Whether there is a checkpoint, and a beginning."""
    try:
        return shard.tree.size > 0 and bool(shard.beginning.vkey)
    except (DamagedError, InputError, NotFoundError, SignatureError):
        return False


def _begun_ms(shard: Shard) -> int:
    return shard.beginning.at_ms


def _told(shard: Shard) -> dict[str, Any]:
    """What a shard says of the one before."""
    said: dict[str, Any] = {"shard": shard.name}
    with contextlib.suppress(NotFoundError, SignatureError):
        said |= {"origin": shard.origin, **_spelled(shard.tree)}
    return said


def _spelled(tree: Checkpoint) -> dict[str, Any]:
    return {"root": base64.b64encode(tree.root).decode(), "size": tree.size}


def _reader(shard: Shard, tree: Checkpoint) -> HashReader:
    return HashReader(shard.read, size=tree.size, root=tree.root)


def _grown(shard: Shard, tree: Checkpoint, *, old_size: int) -> Grower:
    """Take up a log of which more is on the disk than its checkpoint says.

    Raises:
        DamagedError, NotFoundError: that isn't on the disk.
    """
    grower = Grower.read(shard.read, tree.size)
    if grower.root != tree.root:
        raise DamagedError(f"{shard.path}: not what was signed", place=str(shard.path))
    check_extension(shard.path, old_size, grower)
    return grower
