"""Keys lie outside the workspace, readable by nobody else, and never contradict what they signed."""

from __future__ import annotations

import os
import pathlib
import stat
from collections.abc import Callable

import pytest

from tests.rooms.store.contending import together
from whence.errors import ForkError, InputError, KeyUnusableError
from whence.ledger import Checkpoint, Grower, SigningKey, check_note, consistency_proof, leaf_hash
from whence.store import KeyRing
from whence.store.ledger import Memory

ORIGIN = "log.example/2026"


class Log:
    """A log in memory, whose entries are its numbers; `kind` makes it another history."""

    def __init__(self, kind: str = "") -> None:
        self._leaves = [leaf_hash(f"{kind}{number}".encode()) for number in range(40)]

    def tree(self, size: int) -> Checkpoint:
        """What it is with so many entries."""
        return Checkpoint(ORIGIN, size, Grower().extend(self._leaves[:size]).root)

    def prove(self, size: int) -> Callable[[int], list[bytes]]:
        """What proves that it continues itself."""
        tiles = Grower().extend(self._leaves[:size]).tiles
        return lambda old: consistency_proof(tiles.__getitem__, old, size)


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def ring(tmp_path: pathlib.Path) -> KeyRing:
    return KeyRing(tmp_path / "home" / "whence" / "keys")


def test_a_key_is_made_when_it_is_needed_first_and_nobody_else_may_read_it(ring: KeyRing) -> None:
    before = os.umask(0)
    try:
        key = ring.current()
        ring.sign(key, Log().tree(1), Log().prove(1))
    finally:
        os.umask(before)
    assert mode(ring.path) == mode(ring.path / "signed") == 0o700
    files = [path for path in ring.path.rglob("*") if path.is_file()]
    assert sorted(path.name for path in files)[-2:] == ["key-1.pem", "lock"]
    assert {mode(path) for path in files} == {0o600}
    assert KeyRing(ring.path).current() == key
    assert (ring.path / "key-1.pem").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_of_sixteen_processes_that_need_a_key_at_once_one_makes_it_and_all_have_it(ring: KeyRing) -> None:
    def act(number: int) -> None:
        public = KeyRing(ring.path).current().public
        (ring.path.parent / f"seen-{number}").write_bytes(public)

    ring.path.parent.mkdir(parents=True)
    assert together(16, act) == [0] * 16
    assert {path.read_bytes() for path in ring.path.parent.glob("seen-*")} == {ring.current().public}
    assert [path.name for path in ring.paths()] == ["key-1.pem"]


@pytest.mark.parametrize("name", ["", "key-1.pem"])
@pytest.mark.parametrize("given", [0o640, 0o604, 0o660, 0o644, 0o755])
def test_keys_that_others_may_open_are_refused_with_what_to_type(
    ring: KeyRing, name: str, given: int
) -> None:
    ring.current()
    path = ring.path / name
    path.chmod(given)
    with pytest.raises(KeyUnusableError, match="others than its owner") as caught:
        KeyRing(ring.path).current()
    assert f"chmod {'600' if name else '700'} {path}" in caught.value.remedy
    assert mode(path) == given
    path.chmod(0o600 if name else 0o700)
    KeyRing(ring.path).current()


def test_a_passphrase_locks_new_keys_and_opens_them(tmp_path: pathlib.Path) -> None:
    line = tmp_path / "passphrase"
    line.write_bytes("grüße\n".encode())
    given = {"WHENCE_KEYS": str(tmp_path / "keys")}
    key = KeyRing.find({**given, "WHENCE_KEY_PASSPHRASE": "grüße"}).current()
    assert b"ENCRYPTED" in (tmp_path / "keys" / "key-1.pem").read_bytes()
    assert KeyRing.find({**given, "WHENCE_KEY_PASSPHRASE_FILE": str(line)}).current() == key
    for wrong in ({}, {"WHENCE_KEY_PASSPHRASE": "greetings"}):
        with pytest.raises(KeyUnusableError, match=r"key-1\.pem") as caught:
            KeyRing.find({**given, **wrong}).current()
        assert "PASSPHRASE" in caught.value.remedy
    line.write_bytes(b"\n")
    with pytest.raises(KeyUnusableError, match="is empty"):
        KeyRing.find({**given, "WHENCE_KEY_PASSPHRASE_FILE": str(line)})
    with pytest.raises(KeyUnusableError, match="No such file"):
        KeyRing.find({**given, "WHENCE_KEY_PASSPHRASE_FILE": str(tmp_path / "none")})


def test_a_passphrase_does_not_keep_an_unlocked_key_from_being_used(ring: KeyRing) -> None:
    key = ring.current()
    locked = KeyRing(ring.path, passphrase=b"secret")
    assert locked.current() == key
    new = locked.rotate()
    assert locked.keys() == [new, key]
    assert b"ENCRYPTED" in (ring.path / "key-2.pem").read_bytes()


def test_a_key_of_ones_own_signs_instead_and_is_ones_own_to_replace(
    ring: KeyRing, tmp_path: pathlib.Path
) -> None:
    before = ring.current()
    own = tmp_path / "own.pem"
    own.write_bytes(SigningKey(bytes(range(32))).to_pem())
    own.chmod(0o600)
    mine = KeyRing.find({"WHENCE_KEYS": str(ring.path), "WHENCE_KEY_FILE": str(own)})
    assert mine.current() == SigningKey(bytes(range(32)))
    assert mine.keys() == [mine.current(), before]
    with pytest.raises(InputError, match="your own"):
        mine.rotate()
    own.chmod(0o640)
    with pytest.raises(KeyUnusableError, match="others than its owner"):
        mine.current()
    own.unlink()
    with pytest.raises(KeyUnusableError, match="No such file"):
        mine.current()
    assert ring.current() == before


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_holds_no_key_is_named(ring: KeyRing, content: bytes) -> None:
    ring.current()
    (ring.path / "key-1.pem").write_bytes(content)
    with pytest.raises(KeyUnusableError, match=r"key-1\.pem: signing key: no PEM PKCS#8 key"):
        KeyRing(ring.path).current()


def test_where_no_key_can_be_made_that_is_said_with_what_to_do(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyUnusableError, match="no key can be used") as caught:
        KeyRing(tmp_path / "file" / "keys").current()
    assert "WHENCE_KEYS" in caught.value.remedy

    def refuse(*given: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", refuse)
        with pytest.raises(KeyUnusableError, match="Read-only"):
            KeyRing(tmp_path / "home" / "keys").current()

    def no_home() -> pathlib.Path:
        raise RuntimeError

    monkeypatch.setattr(pathlib.Path, "home", no_home)
    with pytest.raises(KeyUnusableError, match="no home"):
        KeyRing.find({})


def test_keys_are_found_where_configuration_is(tmp_path: pathlib.Path) -> None:
    config = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert KeyRing.find(config).path == tmp_path / "whence" / "keys"
    assert KeyRing.find({**config, "WHENCE_KEYS": str(tmp_path / "k")}).path == tmp_path / "k"
    home = pathlib.Path.home() / ".config" / "whence" / "keys"
    assert KeyRing.find({}).path == KeyRing.find({"XDG_CONFIG_HOME": "relative"}).path == home


def test_keys_inside_a_workspace_are_refused_by_whatever_way_they_get_there(tmp_path: pathlib.Path) -> None:
    workspace = tmp_path / ".whence"
    workspace.mkdir()
    (tmp_path / "link").symlink_to(workspace)
    for path in (workspace / "keys", tmp_path / "link" / "keys"):
        with pytest.raises(KeyUnusableError, match="inside a workspace"):
            KeyRing(path).check_outside(workspace)
        with pytest.raises(KeyUnusableError, match="inside a workspace"):
            KeyRing(tmp_path / "keys", own=path / "own.pem").check_outside(workspace)
    KeyRing(tmp_path / "keys").check_outside(workspace)


# the signer's memory


def test_what_continues_is_signed_and_remembered(ring: KeyRing) -> None:
    key, log = ring.current(), Log()
    for size in (1, 1, 3, 17, 40):
        note = ring.sign(key, log.tree(size), log.prove(size))
        check_note(note, [key.signer(ORIGIN).verifier])
        assert ring.remembered(ORIGIN) == log.tree(size)
    assert ring.remembered("another") is None


@pytest.mark.parametrize("size", [1, 8, 9, 10, 17, 40])
def test_another_history_is_never_signed_whatever_its_size(ring: KeyRing, size: int) -> None:
    key, log, other = ring.current(), Log(), Log("other ")
    ring.sign(key, log.tree(9), log.prove(9))
    with pytest.raises(ForkError, match=r"9 entries with root .* were signed"):
        ring.sign(key, other.tree(size), other.prove(size))
    assert ring.remembered(ORIGIN) == log.tree(9)
    ring.sign(key, log.tree(10), log.prove(10))


def test_a_log_that_was_rolled_back_is_not_signed(ring: KeyRing) -> None:
    key, log = ring.current(), Log()
    ring.sign(key, log.tree(9), log.prove(9))
    with pytest.raises(ForkError, match="and now there are 8"):
        ring.sign(key, log.tree(8), log.prove(8))


def test_of_two_processes_that_sign_at_once_one_contradicts_nobody(ring: KeyRing) -> None:
    ring.current()
    logs = [Log("a"), Log("b")]

    def act(number: int) -> None:
        mine = KeyRing(ring.path)
        log = logs[number % 2]
        for size in range(1, 41):
            try:
                mine.sign(mine.current(), log.tree(size), log.prove(size))
            except ForkError:
                continue
            (ring.path.parent / f"signed-{number % 2}").touch()

    assert together(6, act) == [0] * 6
    signed = [path.name for path in ring.path.parent.glob("signed-*")]
    assert len(signed) == 1
    assert ring.remembered(ORIGIN) == logs[int(signed[0][-1])].tree(40)


def test_a_memory_of_which_one_slot_is_cut_off_tells_what_was_signed_before(ring: KeyRing) -> None:
    key, log = ring.current(), Log()
    ring.sign(key, log.tree(3), log.prove(3))
    ring.sign(key, log.tree(5), log.prove(5))
    path = Memory(ring.path / "signed", ORIGIN).path
    content = path.read_bytes()
    assert len(content) == 1024
    for at in range(0, 1024, 7):
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        found = ring.remembered(ORIGIN)
        assert found in (log.tree(3), log.tree(5))
    path.write_bytes(content[:1].join([b"", b"x" * 1023]))
    with pytest.raises(ForkError, match="can't be read"):
        ring.remembered(ORIGIN)
    with pytest.raises(ForkError, match="can't be read"):
        ring.sign(key, log.tree(6), log.prove(6))
    path.write_bytes(bytes(1024))
    assert ring.remembered(ORIGIN) is None


def test_what_cannot_be_remembered_is_not_signed(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    key, log = ring.current(), Log()
    ring.sign(key, log.tree(1), log.prove(1))

    def refuse(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        with pytest.raises(KeyUnusableError, match="can't be remembered"):
            ring.sign(key, log.tree(2), log.prove(2))
    with pytest.raises(ForkError):
        ring.sign(key, Log("other ").tree(2), Log("other ").prove(2))
    ring.sign(key, log.tree(2), log.prove(2))
