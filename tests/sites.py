"""A workspace with everything that a ledger may hold, to be attacked by who can write every file.

Who has the key can do more: `resign` makes a log of any entries, whose every digest and signature agrees.
"""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

import whence as wh
from whence.ledger import (
    WIDTH,
    Checkpoint,
    Cosigner,
    Grower,
    Note,
    Opening,
    SigningKey,
    Statement,
    encode_bundle,
    entries_path,
    leaf_hashes,
    parse_checkpoint,
    parse_note,
)
from whence.query import Verdict
from whence.store import Folder, KeyRing, Ledger, Shard, encode_content

APPROVALS = 600
ERASED = 5


@dataclass(slots=True)
class Log:
    """The entries of a log with what they commit to, to be changed and signed again."""

    shard: Shard
    entries: list[bytes]
    openings: list[Opening | None]

    @classmethod
    def read(cls, shard: Shard) -> Log:
        """Take a log up from its folder."""
        bundles = range(-(-shard.size // WIDTH))
        openings = [opening for bundle in bundles for opening in shard.openings(bundle)]
        return cls(shard, [entry for _, entry in shard.entries()], openings)

    def write(self) -> Checkpoint:
        """Write it as the log that it is now; gives its checkpoint, which isn't signed."""
        path = self.shard.path
        origin = self.shard.origin
        for name in ("tile", "payload"):
            shutil.rmtree(path / name)
        growth = Grower().extend(leaf_hashes(self.entries))
        files = dict(growth.tiles)
        for bundle in range(-(-len(self.entries) // WIDTH)):
            some = slice(bundle * WIDTH, (bundle + 1) * WIDTH)
            files[entries_path(bundle, len(self.entries[some]))] = encode_bundle(self.entries[some])
            kept = [b"" if each is None else each.salt + each.payload for each in self.openings[some]]
            name = entries_path(bundle).replace("tile/entries/", "payload/")
            files[name] = b"".join(len(each).to_bytes(2) + each for each in kept)
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return Checkpoint(origin, growth.size, growth.root)

    def resign(self, key: SigningKey, *cosigners: Cosigner) -> Note:
        """Write it, and sign it as the log's own key would."""
        checkpoint = self.write()
        signature = key.signer(checkpoint.origin).sign(checkpoint.text)
        cosigned = [each.cosign(checkpoint, time_s=1_800_000_000) for each in cosigners]
        note = Note(checkpoint.text).signed(signature, *cosigned)
        (self.shard.path / "checkpoint").write_bytes(note.encode())
        return note

    def replace(self, index: int, statement: Statement, salt: bytes = bytes(16)) -> None:
        """Put another statement in the place of an entry."""
        self.entries[index] = statement.entry(salt)
        self.openings[index] = Opening(salt, statement.payload)


@dataclass(slots=True)
class Site:
    """The workspace, as it is and as it was.

    Args:
        folder: holds `.whence`.
        keys: the folder of the key ring.
    """

    folder: pathlib.Path
    keys: pathlib.Path
    whole: dict[str, bytes] = field(default_factory=dict)
    earlier: dict[str, bytes] = field(default_factory=dict)
    before_last: bytes = b""
    cosigner: Cosigner = field(default_factory=lambda: Cosigner(SigningKey(b"w" * 32), "witness.example/w1"))

    @property
    def path(self) -> pathlib.Path:
        """The workspace."""
        return self.folder / ".whence"

    @property
    def shards(self) -> list[Shard]:
        """Its logs, the one that was begun first first."""
        found = Ledger(Folder(self.path), KeyRing(self.keys)).shards()
        return sorted(found, key=lambda shard: (shard.beginning.at_ms, shard.beginning.why != "first"))

    def key(self, shard: Shard) -> SigningKey:
        """The private key of a log."""
        found = KeyRing(self.keys).find_key(shard.vkey)
        assert found is not None
        return found

    def verify(self, **demand: object) -> Verdict:
        """Verify it, as its keeper would."""
        return wh.open(self.folder).verify(**demand)  # type: ignore[arg-type] # as verify takes it

    def policy(self, *lines: str) -> bytes:
        """A policy that knows all logs here, with some lines more."""
        known = [f"log {shard.vkey}" for shard in self.shards]
        return "".join(f"{line}\n" for line in (*known, *lines)).encode()

    @property
    def witnessed(self) -> bytes:
        """A policy whose quorum is the witness that cosigned all logs here."""
        return self.policy(f"witness w1 {self.cosigner.vkey}", "quorum w1")

    def keep(self) -> None:
        """Remember how it is."""
        self.whole = contents(self.folder)

    def put_back(self) -> None:
        """Make it what it was, after an attack."""
        now = contents(self.folder)
        for name in now.keys() - self.whole.keys():
            (self.folder / name).unlink()
        for name, data in self.whole.items():
            if now.get(name) != data:
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        for root, _, names in os.walk(self.folder, topdown=False):
            if not os.listdir(root):
                os.rmdir(root)
            elif pathlib.Path(root).is_relative_to(self.keys):
                os.chmod(root, 0o700)
                for name in names:
                    os.chmod(os.path.join(root, name), 0o600)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """Read all files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def forget(site: Site) -> None:
    """The keeper makes his own key ring forget what it signed."""
    for path in (site.keys / "signed").iterdir():
        path.unlink()


def make_site(root: pathlib.Path) -> Iterator[Site]:
    """Make the workspace: runs, models, a decision, 600 approvals less 5, two logs, cosigned."""
    with pytest.MonkeyPatch.context() as patch:
        site = Site(root / "site", root / "site" / "keys")
        patch.setenv("WHENCE_KEYS", str(site.keys))
        train(site, "first")
        site.earlier = contents(site.folder)
        train(site, "second")
        workspace = wh.open(site.folder)
        ledger = Ledger(Folder(site.path), KeyRing(site.keys))
        ledger.append(
            [
                Statement(
                    "approval", 1_790_000_000_000 + number, encode_content({"by": "somebody", "n": number})
                )
                for number in range(APPROVALS)
            ]
        )
        workspace.set_alias("net@1", "champion", note="it is")
        first = site.shards[0]
        workspace.ledger.redact(
            [f"{first.name}:{100 + number}" for number in range(ERASED)], {"why": "asked"}
        )
        site.before_last = first.checkpoint()
        ledger.rotate()
        train(site, "third")
        for shard in site.shards:
            note = parse_note(shard.checkpoint())
            cosigned = note.signed(site.cosigner.cosign(parse_checkpoint(note.text), time_s=1_800_000_000))
            (shard.path / "checkpoint").write_bytes(cosigned.encode())
        shutil.rmtree(site.path / "catalog.ledger", ignore_errors=True)
        site.keep()
        yield site


def train(site: Site, title: str) -> None:
    """A small run with a model, an artifact, metrics and notes."""
    with wh.start_run(title, params={"lr": 0.1}, workspace=site.folder) as run:
        for batch in wh.from_items(list(range(40))).filter(bool).batch(8):
            run.log_metric("loss", float(batch.sum()) * len(title))
        run.log_note(f"a note on {title}")
        run.log_model("net", title.encode() * 20_000)
        run.log_text(title, f"{title}.txt")
