"""Promise: whatever is done to a ledger, or to what it speaks of, is found and called by its name.

Each attack is done by whoever may write every file; those with `key` by whoever may sign as well.
"""

from __future__ import annotations

import pathlib
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import whence as wh
from tests.forging import replace_segment, rewrite_journal, write_frames
from tests.sites import Log, Site, forget, make_site
from whence.ledger import (
    WIDTH,
    Checkpoint,
    LoggedArtifact,
    LoggedVersion,
    Note,
    Opening,
    SigningKey,
    Statement,
    encode_bundle,
    parse_checkpoint,
    parse_note,
)
from whence.query import Verdict
from whence.store import Folder, KeyRing, Ledger, Shard, decode_content, encode_content, scan_frames
from whence.store.ledger import Memory

ROUNDS = 10
LOCAL = (".whence/ledger/own", ".whence/ledger/staging")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a verification must say.

    Args:
        outcome: in a word.
        named: texts that must stand together in one finding, its place included.
        demand: what is asked for.
    """

    outcome: str
    named: tuple[str, ...]
    demand: dict[str, Any] | None = None


Attack = Callable[[Site, random.Random], Expected]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    """List an attack."""
    ATTACKS[function.__name__] = function
    return function


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from make_site(tmp_path_factory.mktemp("ledger"))


@pytest.fixture(autouse=True)
def as_it_was(site: Site) -> Iterator[None]:
    yield
    site.put_back()


def any_log(site: Site, chance: random.Random) -> Shard:
    return chance.choice(site.shards)


def any_file(shard: Shard, chance: random.Random, pattern: str) -> pathlib.Path:
    """One of the files of the log as it is now; earlier partial ones aren't needed any more."""
    size, found = shard.size, []
    for path in sorted(shard.path.rglob(pattern)):
        if path.is_file() and (path.parent.suffix != ".p" or int(path.name) in (size % WIDTH, size // WIDTH)):
            found.append(path)
    return chance.choice(found)


def any_run(site: Site, chance: random.Random) -> pathlib.Path:
    return chance.choice(sorted((site.path / "runs").iterdir()))


def relative(path: pathlib.Path, site: Site) -> str:
    return path.relative_to(site.path).as_posix()


# files of a log


@attack
def delete_a_file(site: Site, chance: random.Random) -> Expected:
    path = any_file(any_log(site, chance), chance, "tile/**/*")
    path.unlink()
    return Expected("damaged", (relative(path, site), "missing"))


@attack
def delete_the_checkpoint(site: Site, chance: random.Random) -> Expected:
    path = any_log(site, chance).path / "checkpoint"
    path.unlink()
    return Expected("damaged", (relative(path, site), "is missing"))


@attack
def delete_payloads(site: Site, chance: random.Random) -> Expected:
    path = any_file(any_log(site, chance), chance, "payload/*")
    path.unlink()
    return Expected("damaged", (relative(path, site), "not there"))


@attack
def truncate_a_file(site: Site, chance: random.Random) -> Expected:
    path = any_file(any_log(site, chance), chance, "tile/**/*")
    path.write_bytes(path.read_bytes()[: -chance.randint(1, path.stat().st_size)])
    return Expected("damaged", (relative(path, site), "form"))


@attack
def truncate_payloads(site: Site, chance: random.Random) -> Expected:
    path = any_file(any_log(site, chance), chance, "payload/*")
    path.write_bytes(path.read_bytes()[: -chance.randint(1, path.stat().st_size)])
    return Expected("damaged", (relative(path, site), "ends within"))


@attack
def truncate_the_checkpoint(site: Site, chance: random.Random) -> Expected:
    path = any_log(site, chance).path / "checkpoint"
    path.write_bytes(path.read_bytes()[: -chance.randint(1, path.stat().st_size)])
    return Expected("damaged", (relative(path, site),))


@attack
def lengthen_a_file(site: Site, chance: random.Random) -> Expected:
    path = any_file(any_log(site, chance), chance, "tile/**/*")
    path.write_bytes(path.read_bytes() + chance.randbytes(chance.randint(1, 64)))
    return Expected("damaged", (relative(path, site), "form"))


@attack
def swap_two_tiles(site: Site, chance: random.Random) -> Expected:
    first, second = (site.shards[0].path / "tile" / "0" / name for name in ("000", "001"))
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    return Expected("damaged", (relative(chance.choice([first, second]), site), "it holds what tile/0/00"))


@attack
def swap_two_bundles(site: Site, chance: random.Random) -> Expected:
    first, second = (site.shards[0].path / "tile" / "entries" / name for name in ("000", "001"))
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    return Expected("damaged", (relative(chance.choice([first, second]), site), "leaf"))


@attack
def swap_two_entries(site: Site, chance: random.Random) -> Expected:
    log = Log.read(site.shards[0])
    bundle = chance.randrange(2)
    one, other = chance.sample(range(bundle * WIDTH, (bundle + 1) * WIDTH), 2)
    log.entries[one], log.entries[other] = log.entries[other], log.entries[one]
    path = log.shard.path / "tile" / "entries" / f"{bundle:03d}"
    path.write_bytes(encode_bundle(log.entries[bundle * WIDTH : (bundle + 1) * WIDTH]))
    return Expected("damaged", (f"{relative(path, site)}:{min(one, other) % WIDTH}", "leaf"))


@attack
def duplicate_a_file(site: Site, chance: random.Random) -> Expected:
    folder = site.shards[0].path / "tile" / chance.choice(["0", "entries"])
    source, target = chance.sample(["000", "001"], 2)
    shutil.copy(folder / source, folder / target)
    return Expected("damaged", (relative(folder / target, site),))


@attack
def rename_a_file(site: Site, chance: random.Random) -> Expected:
    path = any_file(site.shards[0], chance, "tile/**/*")
    renamed = (
        path.parent.parent / f"{chance.randint(7, 999):03d}" if path.parent.suffix else path.with_name("777")
    )
    path.rename(renamed)
    return Expected("damaged", (relative(renamed, site), "renamed"))


@attack
def add_a_stray_file(site: Site, chance: random.Random) -> Expected:
    name = chance.choice(["tile/0/x000/001", "notes.txt", "tile/entries/000.p/0", "tile/0/1"])
    path = any_log(site, chance).path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(chance.randbytes(chance.randint(0, 99)))
    return Expected("damaged", (relative(path, site),))


@attack
def change_an_earlier_partial_file(site: Site, chance: random.Random) -> Expected:
    shard = site.shards[0]
    path = chance.choice(sorted(shard.path.glob("tile/*/002.p/97")))
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return Expected("damaged", (relative(path, site),))


# who signed, and when


@attack
def sign_with_another_key(site: Site, chance: random.Random) -> Expected:
    shard = any_log(site, chance)
    note = Log.read(shard).resign(SigningKey(chance.randbytes(32)))
    assert parse_checkpoint(note.text).size == shard.size
    return Expected("damaged", (relative(shard.path / "checkpoint", site), "no signature by"))


@attack
def change_who_signs_in_the_first_entry_too(site: Site, chance: random.Random) -> Expected:
    """The forger names his own key where the log names one; that it isn't the ring's is what counts."""
    shard, key = any_log(site, chance), SigningKey(chance.randbytes(32))
    log = Log.read(shard)
    public = {"vkey": key.signer(shard.origin).vkey, "why": "first"}
    log.replace(0, Statement("shard", 1, encode_content({}), public))
    log.resign(key)
    return Expected("damaged", (relative(shard.path / "checkpoint", site), "no signature by"))


@attack
def key_name_another_key_in_the_first_entry(site: Site, chance: random.Random) -> Expected:
    """The log is signed by its key, and says that it is another's."""
    shard = site.shards[1]
    log, key = Log.read(shard), site.key(shard)
    public = {"vkey": SigningKey(chance.randbytes(32)).signer(shard.origin).vkey, "why": "first"}
    log.replace(0, Statement("shard", 1, encode_content({}), public))
    log.resign(key)
    forget(site)
    return Expected("damaged", (f"{shard.name}:0", "doesn't name the key"))


@attack
def take_the_checkpoint_of_another_log(site: Site, chance: random.Random) -> Expected:
    source, target = chance.sample(site.shards, 2)
    shutil.copy(source.path / "checkpoint", target.path / "checkpoint")
    return Expected("damaged", (relative(target.path / "checkpoint", site), "renamed"))


@attack
def put_an_old_checkpoint_back(site: Site, chance: random.Random) -> Expected:
    shard = site.shards[0]
    (shard.path / "checkpoint").write_bytes(site.before_last)
    return Expected("damaged", (relative(shard.path / "checkpoint", site), "rolled back"))


@attack
def take_signatures_away(site: Site, chance: random.Random) -> Expected:
    path = any_log(site, chance).path / "checkpoint"
    note = parse_note(path.read_bytes())
    path.write_bytes(Note(note.text, note.signatures[1:]).encode())
    return Expected("damaged", (relative(path, site), "no signature by"))


@attack
def say_another_size(site: Site, chance: random.Random) -> Expected:
    path = any_log(site, chance).path / "checkpoint"
    note = parse_note(path.read_bytes())
    tree = parse_checkpoint(note.text)
    other = Checkpoint(tree.origin, tree.size + chance.choice([-1, 1]), tree.root)
    path.write_bytes(Note(other.text, note.signatures).encode())
    return Expected("damaged", (relative(path, site), "not valid"))


@attack
def say_another_origin(site: Site, chance: random.Random) -> Expected:
    """Also one that no key can be named after."""
    path = any_log(site, chance).path / "checkpoint"
    note = parse_note(path.read_bytes())
    tree = parse_checkpoint(note.text)
    at = chance.randrange(len(tree.origin))
    other = (
        tree.origin[:at] + chance.choice([" ", "+", "x", "\u2003", "é", "y" * 300]) + tree.origin[at + 1 :]
    )
    path.write_bytes(Note(note.text.replace(tree.origin, other), note.signatures).encode())
    return Expected("damaged", (relative(path, site),))


@attack
def restore_an_older_backup(site: Site, chance: random.Random) -> Expected:
    """A backup has neither the list of logs begun here nor what is staged."""
    first = site.shards[0].name
    shutil.rmtree(site.path)
    for name, data in site.earlier.items():
        if name.startswith(".whence/") and not name.startswith(
            (".whence/ledger/own", ".whence/ledger/staging")
        ):
            path = site.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return Expected("damaged", (f"ledger/{first}/checkpoint", "rolled back"))


# with the key


def rewrite(site: Site, chance: random.Random) -> tuple[Shard, Note]:
    """An approval that was never given, in the place of one that was; signed as the log's key signs."""
    shard = site.shards[1]  # no log follows it, which would tell what it was
    log = Log.read(shard)
    log.replace(3, Statement("approval", chance.randint(1, 10**12), encode_content({"by": "nobody"})))
    return shard, log.resign(site.key(shard))


@attack
def key_rewrite_what_the_next_log_names(site: Site, chance: random.Random) -> Expected:
    """The signer's memory is rewritten as well: the log that follows says what this one was."""
    shard = site.shards[0]
    log = Log.read(shard)
    log.replace(chance.randint(200, 500), Statement("approval", 5, encode_content({"by": "nobody"})))
    log.resign(site.key(shard))
    forget(site)
    return Expected("forked", (relative(shard.path / "checkpoint", site), f"{site.shards[1].name}:0"))


@attack
def key_fork(site: Site, chance: random.Random) -> Expected:
    shard, _ = rewrite(site, chance)
    return Expected("forked", (relative(shard.path / "checkpoint", site), "signer's memory"))


@attack
def key_fork_of_another_length(site: Site, chance: random.Random) -> Expected:
    """Two histories part in the middle, and the one that is here is longer."""
    shard = site.shards[0]
    log = Log.read(shard)
    log.replace(chance.randint(200, 500), Statement("approval", 5, encode_content({"by": "nobody"})))
    for _ in range(chance.randint(1, 9)):
        log.entries.append(Statement("approval", 6, b"\x80").entry(bytes(16)))
        log.openings.append(Opening(bytes(16), b"\x80"))
    log.resign(site.key(shard))
    return Expected("forked", (relative(shard.path / "checkpoint", site), "signer's memory"))


@attack
def key_rewrite_against_a_saved_checkpoint(site: Site, chance: random.Random) -> Expected:
    """The signer's memory is rewritten as well: a cosigned checkpoint that somebody kept tells."""
    kept = site.shards[1].checkpoint()
    shard, _ = rewrite(site, chance)
    forget(site)
    assert site.verify().outcome == "redacted", "nobody here can tell"
    return Expected(
        "forked", (relative(shard.path / "checkpoint", site), "saved checkpoint"), {"since": kept}
    )


@attack
def key_rewrite_against_a_witness(site: Site, chance: random.Random) -> Expected:
    """The witness doesn't cosign the other history."""
    policy = site.witnessed
    shard, _ = rewrite(site, chance)
    forget(site)
    named = (relative(shard.path / "checkpoint", site), "the quorum w1 has not cosigned")
    return Expected("redacted", named, {"policy": policy})


@attack
def key_rewrite_with_a_cosignature_of_before(site: Site, chance: random.Random) -> Expected:
    """The cosignature is of the other history's checkpoint."""
    policy = site.witnessed
    cosignature = parse_note(site.shards[1].checkpoint()).signatures[1]
    shard, note = rewrite(site, chance)
    forget(site)
    (shard.path / "checkpoint").write_bytes(note.signed(cosignature).encode())
    return Expected("redacted", (relative(shard.path / "checkpoint", site), "not valid"), {"policy": policy})


@attack
def key_cut_off_the_end(site: Site, chance: random.Random) -> Expected:
    shard = site.shards[0]
    log = Log.read(shard)
    left = chance.randint(300, 600)
    log.entries, log.openings = log.entries[:left], log.openings[:left]
    log.resign(site.key(shard))
    return Expected("damaged", (relative(shard.path / "checkpoint", site), "rolled back"))


@attack
def key_cut_off_the_end_against_a_saved_checkpoint(site: Site, chance: random.Random) -> Expected:
    shard = site.shards[0]
    kept = shard.checkpoint()
    key_cut_off_the_end(site, chance)
    forget(site)
    return Expected(
        "damaged", (relative(shard.path / "checkpoint", site), "saved checkpoint"), {"since": kept}
    )


@attack
def key_spell_an_entry_otherwise(site: Site, chance: random.Random) -> Expected:
    shard = site.shards[0]
    log = Log.read(shard)
    index = chance.randint(200, 500)
    log.entries[index] = log.entries[index].replace(b'","kind', b'", "kind')
    log.resign(site.key(shard))
    return Expected("forked", (f"{shard.name}:{index}", "canonical"))


@attack
def key_log_what_a_run_never_kept(site: Site, chance: random.Random) -> Expected:
    run = any_run(site, chance).name
    digest = chance.randbytes(32)
    said = [
        LoggedVersion(kind="model", name="net", version=1, digest=digest, run_id=run).statement(9),
        LoggedArtifact(name="first.txt", digest=digest, run_id=run).statement(9),
    ]
    (place,) = Ledger(Folder(site.path), KeyRing(site.keys)).append([chance.choice(said)])
    return Expected(
        "damaged", (f"{place.shard}:{place.index}", run_name(site, run), "isn't the one that was logged")
    )


def run_name(site: Site, run_id: str) -> str:
    return wh.open(site.folder).run(run_id).record.name


# runs, objects, decisions


def said_note(event: dict[str, Any], body: dict[str, Any] | None) -> bool:
    if event["k"] != "note" or body is None:
        return False
    body["text"] = "what was never noted"
    return True


def said_metric(event: dict[str, Any], body: dict[str, Any] | None) -> bool:
    if event["k"] != "params" or body is None:
        return False
    body["params"]["lr"] = 0.2
    return True


def said_model(event: dict[str, Any], body: dict[str, Any] | None) -> bool:
    if event["k"] != "model" or body is None:
        return False
    body["version"] = 9
    return True


@attack
def rewrite_a_journal(site: Site, chance: random.Random) -> Expected:
    run = any_run(site, chance)
    assert rewrite_journal(run, chance.choice([said_note, said_metric, said_model]))
    return Expected("damaged", (run.name, "isn't the one that was logged"))


@attack
def replace_a_segment_and_its_journal(site: Site, chance: random.Random) -> Expected:
    target, source = chance.sample(sorted((site.path / "runs").iterdir()), 2)
    replace_segment(target, "metrics", (source / "segments" / "metrics").read_bytes())
    return Expected("damaged", (target.name, "isn't the one that was logged"))


@attack
def replace_a_segment(site: Site, chance: random.Random) -> Expected:
    target, source = chance.sample(sorted((site.path / "runs").iterdir()), 2)
    path = target / "segments" / "metrics"
    shutil.copy(source / "segments" / "metrics", path)
    return Expected("damaged", (relative(path, site),))


@attack
def swap_two_runs(site: Site, chance: random.Random) -> Expected:
    one, other = chance.sample(sorted((site.path / "runs").iterdir()), 2)
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    return Expected("damaged", (chance.choice([one, other]).name, "isn't the one that was logged"))


@attack
def swap_an_object(site: Site, chance: random.Random) -> Expected:
    objects = sorted(path for path in (site.path / "objects").rglob("*") if path.is_file())
    target, source = chance.sample(objects, 2)
    shutil.copy(source, target)
    return Expected("damaged", (relative(target, site),))


@attack
def delete_an_object(site: Site, chance: random.Random) -> Expected:
    path = chance.choice(sorted(path for path in (site.path / "objects").rglob("*") if path.is_file()))
    path.unlink()
    return Expected("damaged", (relative(path, site),))


@attack
def drop_a_run(site: Site, chance: random.Random) -> Expected:
    run = any_run(site, chance)
    shutil.rmtree(run)
    return Expected("damaged", (f"run {run.name} is gone, and no entry allows that",))


@attack
def empty_a_run(site: Site, chance: random.Random) -> Expected:
    run = any_run(site, chance)
    for path in sorted(run.rglob("*")):
        if path.is_file():
            path.unlink()
    return Expected("damaged", (f"run {run.name} is gone, and no entry allows that",))


@attack
def destroy_the_bodies_of_a_run(site: Site, chance: random.Random) -> Expected:
    run = any_run(site, chance)
    (run / "payloads").unlink()
    return Expected("damaged", ("bodies of run", "gone, and no entry allows that"))


@attack
def add_a_run_that_was_never_logged(site: Site, chance: random.Random) -> Expected:
    """Nothing proves that it wasn't recorded; but no log has it, and a policy asks for that."""
    run = any_run(site, chance)
    policy = site.witnessed
    shutil.copytree(run, run.with_name("01ARZ3NDEKTSV4RRFFQ69G5FAV"))
    assert any("not logged yet" in note for note in site.verify().notes)
    return Expected("redacted", ("1 run that ended is not logged yet",), {"policy": policy})


@attack
def change_a_decision(site: Site, chance: random.Random) -> Expected:
    (path,) = (site.path / "registry").iterdir()
    event, body = scan_frames(path).frames
    said = decode_content(event.payload)
    said["at"] -= chance.randint(1, 10**15)
    write_frames(path, [(event.kind, encode_content(said)), (body.kind, body.payload)])
    return Expected("damaged", (f"decision {path.name} isn't the one that was logged",))


@attack
def damage_a_decision(site: Site, chance: random.Random) -> Expected:
    (path,) = (site.path / "registry").iterdir()
    data = bytearray(path.read_bytes())
    data[chance.randrange(16, len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return Expected("damaged", (relative(path, site),))


@attack
def drop_a_decision(site: Site, chance: random.Random) -> Expected:
    (path,) = (site.path / "registry").iterdir()
    path.unlink()
    return Expected("damaged", (f"decision {path.name} is gone, and no entry allows that",))


# what entries commit to


def write_openings(log: Log) -> None:
    """Write the payloads, and leave the log as it is."""
    whole = {path: path.read_bytes() for path in log.shard.path.rglob("tile/**/*") if path.is_file()}
    log.write()
    for path, data in whole.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@attack
def swap_two_openings(site: Site, chance: random.Random) -> Expected:
    log = Log.read(site.shards[0])
    one, other = chance.sample(range(200, 600), 2)
    log.openings[one], log.openings[other] = log.openings[other], log.openings[one]
    write_openings(log)
    return Expected("damaged", (f"{log.shard.name}:{chance.choice([one, other])}", "commits to"))


@attack
def change_an_opening(site: Site, chance: random.Random) -> Expected:
    log = Log.read(site.shards[0])
    index = chance.randint(200, 600)
    kept = log.openings[index]
    assert kept is not None
    log.openings[index] = Opening(kept.salt, encode_content({"by": "nobody", "n": index}))
    write_openings(log)
    return Expected("damaged", (f"{log.shard.name}:{index}", "commits to"))


@attack
def destroy_what_nobody_allowed(site: Site, chance: random.Random) -> Expected:
    log = Log.read(site.shards[0])
    index = chance.randint(200, 600)
    log.openings[index] = None
    write_openings(log)
    return Expected("damaged", (f"{log.shard.name}:{index}", "its payload is gone, and no entry allows that"))


@attack
def allow_an_erasure_without_the_key(site: Site, chance: random.Random) -> Expected:
    """The forged entry doesn't lead to the signed root, and allows nothing."""
    log = Log.read(site.shards[0])
    index, place = chance.randint(200, 400), chance.randint(401, 500)
    erasure = Statement("erasure", 7, b"\x80", {"shard": log.shard.name, "indices": [index]})
    log.openings[index] = None
    log.replace(place, erasure)
    write_openings(log)
    path = log.shard.path / "tile" / "entries" / f"{place // WIDTH:03d}"
    bundle = place // WIDTH * WIDTH
    path.write_bytes(encode_bundle(log.entries[bundle : bundle + WIDTH]))
    return Expected("damaged", (f"{log.shard.name}:{index}", "its payload is gone, and no entry allows that"))


@attack
def allow_an_erasure_in_a_log_of_ones_own(site: Site, chance: random.Random) -> Expected:
    """Whose key nobody knows can't allow anything in the logs of others."""
    log = Log.read(site.shards[0])
    index = chance.randint(200, 600)
    log.openings[index] = None
    write_openings(log)
    key, name = SigningKey(chance.randbytes(32)), "2026-aaaaaaaaaa"
    forged = site.path / "ledger" / name
    shutil.copytree(site.shards[1].path, forged)
    origin = f"whence.invalid/{name}"
    other = Log(Shard(forged), [], [])
    for number, statement in enumerate(
        (
            Statement("shard", 1, b"\x80", {"vkey": key.signer(origin).vkey, "why": "first"}),
            Statement("erasure", 2, b"\x80", {"shard": log.shard.name, "indices": [index]}),
        )
    ):
        other.entries.append(statement.entry(bytes([number]) * 16))
        other.openings.append(Opening(bytes([number]) * 16, statement.payload))
    tree = Checkpoint(origin, 2, other.write().root)
    (forged / "checkpoint").write_bytes(Note(tree.text).signed(key.signer(origin).sign(tree.text)).encode())
    return Expected("damaged", (f"{log.shard.name}:{index}", "its payload is gone, and no entry allows that"))


@attack
def add_a_log_of_ones_own(site: Site, chance: random.Random) -> Expected:
    allow_an_erasure_in_a_log_of_ones_own(site, chance)
    return Expected("damaged", ("ledger/2026-aaaaaaaaaa/checkpoint", "only the log itself names the key"))


# whole logs


@attack
def drop_a_log(site: Site, chance: random.Random) -> Expected:
    shard = any_log(site, chance)
    origin = shard.origin
    shutil.rmtree(shard.path)
    return Expected("damaged", (f"names the log {origin}", "isn't here"))


@attack
def drop_a_log_and_the_list(site: Site, chance: random.Random) -> Expected:
    (site.path / "ledger" / "own").write_bytes(b"")
    return drop_a_log(site, chance)


@attack
def drop_all_logs(site: Site, chance: random.Random) -> Expected:
    name = chance.choice([shard.name for shard in site.shards])
    for shard in site.shards:
        shutil.rmtree(shard.path)
    return Expected("damaged", (f"ledger/{name}", "was begun here, and isn't here any more"))


@attack
def hide_a_log(site: Site, chance: random.Random) -> Expected:
    shard = any_log(site, chance)
    origin = shard.origin
    shard.path.rename(shard.path.with_name(f".{shard.name}"))
    return Expected("damaged", (f"names the log {origin}", "isn't here"))


@attack
def rename_a_log(site: Site, chance: random.Random) -> Expected:
    shard = any_log(site, chance)
    shard.path.rename(shard.path.with_name("2025-bbbbbbbbbb"))
    return Expected("damaged", ("ledger/2025-bbbbbbbbbb/checkpoint", "renamed"))


@attack
def copy_a_log(site: Site, chance: random.Random) -> Expected:
    shard = any_log(site, chance)
    shutil.copytree(shard.path, shard.path.with_name("2027-bbbbbbbbbb"))
    return Expected("damaged", ("ledger/2027-bbbbbbbbbb/checkpoint", f"is a copy of the log in {shard.name}"))


@attack
def key_keep_two_histories(site: Site, chance: random.Random) -> Expected:
    shard = site.shards[0]
    shutil.copytree(shard.path, shard.path.with_name("2027-bbbbbbbbbb"))
    log = Log.read(Shard(shard.path.with_name("2027-bbbbbbbbbb")))
    log.replace(chance.randint(200, 500), Statement("approval", 5, encode_content({"by": "nobody"})))
    log.resign(site.key(shard))
    forget(site)
    return Expected("forked", ("ledger/2027-bbbbbbbbbb/checkpoint", "two histories"))


# what is asked for


@attack
def ask_for_nothing(site: Site, chance: random.Random) -> Expected:
    return Expected("redacted", ("the policy", "anything would meet it"), {"policy": b"quorum none\n"})


@attack
def ask_for_another_log(site: Site, chance: random.Random) -> Expected:
    vkey = SigningKey(chance.randbytes(32)).signer("elsewhere.example/log").vkey
    policy = f"log {vkey}\nquorum none\n".encode()
    return Expected(
        "unanchored", ("names the log elsewhere.example/log, which isn't here",), {"policy": policy}
    )


@attack
def ask_for_another_witness(site: Site, chance: random.Random) -> Expected:
    other = type(site.cosigner)(SigningKey(chance.randbytes(32)), "witness.example/w2")
    policy = site.policy(
        f"witness w1 {site.cosigner.vkey}", f"witness w2 {other.vkey}", "group g all w1 w2", "quorum g"
    )
    return Expected("redacted", ("g has 1 of 2, without w2",), {"policy": policy})


@attack
def say_the_key_is_another(site: Site, chance: random.Random) -> Expected:
    shard = any_log(site, chance)
    vkey = SigningKey(chance.randbytes(32)).signer(shard.origin).vkey
    named = (relative(shard.path / "checkpoint", site), "no signature by")
    return Expected("damaged", named, {"keys": [vkey]})


@attack
def have_no_key_of_ones_own(site: Site, chance: random.Random) -> Expected:
    """Who comes from outside and names no key learns that nobody vouches for who signed."""
    shutil.rmtree(site.keys)
    shard = any_log(site, chance)
    named = (relative(shard.path / "checkpoint", site), "only the log itself names the key")
    return Expected("redacted", named)


def check(verdict: Verdict, expected: Expected) -> None:
    said = [f"{each.where} {each.problem}" for each in verdict.findings]
    assert not verdict.holds, said
    assert verdict.outcome == expected.outcome, said
    assert any(all(text in each for text in expected.named) for each in said), (expected.named, said[:10])


def test_what_nobody_touched_holds_redacted_and_with_its_witness_intact(site: Site) -> None:
    verdict = site.verify()
    assert (verdict.holds, verdict.outcome, verdict.findings) == (True, "redacted", [])
    assert {each.allowed_by for each in verdict.redactions} == {f"{site.shards[0].name}:608"}
    verdict = site.verify(policy=site.witnessed)
    assert (verdict.holds, verdict.findings) == (True, [])
    assert all(log.vouchers == ("witness w1",) for log in verdict.logs)


def test_there_are_five_hundred() -> None:
    assert len(ATTACKS) * ROUNDS >= 500


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_called_by_its_name(site: Site, name: str) -> None:
    for number in range(ROUNDS):
        expected = ATTACKS[name](site, random.Random(f"{name} {number}"))
        check(site.verify(**expected.demand or {}), expected)
        site.put_back()


def test_what_the_signer_remembers_is_damaged_or_gone(site: Site) -> None:
    shard = site.shards[0]
    memory = Memory(site.keys / "signed", shard.origin)
    assert memory.last() is not None
    memory.path.write_bytes(b"x" * 1024)
    verdict = site.verify()
    assert verdict.holds
    assert any("can't be read" in note for note in verdict.notes)


@pytest.mark.parametrize(
    "name", ["tile/0/005", "tile/9/000", "tile/entries/009.p/3", "payload/007", "payload/000"]
)
def test_what_was_never_signed_is_noted_by_who_signs_and_refused_by_all_others(site: Site, name: str) -> None:
    """The signer remembers that nothing newer was signed: so a writer died, and nobody took anything away."""
    shard = site.shards[0]
    path = shard.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"left behind")
    verdict = site.verify()
    assert verdict.holds
    assert any(relative(path, site) in note for note in verdict.notes)
    keys = [each.vkey for each in site.shards]
    shutil.rmtree(site.keys)
    verdict = site.verify(keys=keys)
    assert verdict.outcome == "damaged"
    assert [relative(path, site) in each.where for each in verdict.findings] == [True]


def test_an_own_log_that_says_it_was_rolled_back_is_noted_and_refused_by_a_policy(site: Site) -> None:
    """A backup was restored, and the work went on: the next log says so, and an auditor is told."""
    first = site.shards[0]
    policy_before = site.policy("quorum none")
    shutil.rmtree(site.path / "ledger")
    for name, data in site.earlier.items():
        if name.startswith(".whence/ledger/"):
            (site.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (site.folder / name).write_bytes(data)
    for folder in sorted((site.path / "runs").iterdir())[1:]:
        shutil.rmtree(folder)
    shutil.rmtree(site.path / "registry")
    wh.open(site.folder).ledger.append("approval", {"by": "somebody"})
    assert [each.beginning.why for each in site.shards] == ["first", "rolled-back"]
    verdict = site.verify()
    assert verdict.holds, verdict.findings
    assert any("rolled back" in note and first.name in note for note in verdict.notes)
    assert policy_before != site.policy("quorum none")
    verdict = site.verify(policy=site.policy("quorum none"))
    assert verdict.outcome == "damaged"
    assert "rolled back" in verdict.findings[0].problem
