"""The key ring: signing keys outside every workspace, and what was signed with them.

    <keys>/key-1.pem, key-2.pem, …      PEM PKCS#8, 0600; the one with the highest number signs
    <keys>/signed/                      the signer's memory
    <keys>/lock                         held while a key is made

A key is made when one is needed first. One that others may read is refused, not repaired: nobody knows who
has read it. Keys that were replaced stay, to close the shards that they signed.
"""

from __future__ import annotations

import os
import pathlib
import re
import secrets
import stat
from collections.abc import Mapping

from whence.errors import InputError, KeyUnusableError, StoreError
from whence.ledger import SEED_BYTES, Algorithm, Checkpoint, Note, Signer, SigningKey
from whence.store.files import make_folder, sync_folder, write_whole
from whence.store.ledger.locks import locked
from whence.store.ledger.memory import Memory, Prove

_KEY_NAME = re.compile(r"key-([1-9][0-9]*)\.pem")
_ELSEWHERE = "Set WHENCE_KEYS to a folder that only you can write, or WHENCE_KEY_FILE to a key of your own."


class KeyRing:
    """Keys in a folder, and perhaps one of the user's own.

    Args:
        path: the folder; made with the first key.
        own: a file with the key that signs instead of those in the folder.
        passphrase: opens keys that are locked, and locks new ones.
    """

    def __init__(
        self, path: pathlib.Path, *, own: pathlib.Path | None = None, passphrase: bytes | None = None
    ) -> None:
        self.path = path
        self.own = own
        self._passphrase = passphrase
        self._signers: dict[tuple[SigningKey, str], Signer] = {}
        self._read: dict[pathlib.Path, tuple[tuple[int, int], SigningKey]] = {}

    @classmethod
    def find(cls, environment: Mapping[str, str] = os.environ) -> KeyRing:
        """Find the keys of whoever runs this.

        Raises:
            KeyUnusableError: there is no home to keep them in, or the passphrase's file can't be read.
        """
        own = environment.get("WHENCE_KEY_FILE") or None
        return cls(
            _folder_of(environment),
            own=None if own is None else pathlib.Path(own).expanduser().absolute(),
            passphrase=_passphrase_of(environment),
        )

    def check_outside(self, workspace: pathlib.Path) -> None:
        """Check that no key lies in a workspace, where whoever may copy the record could sign another one.

        Raises:
            KeyUnusableError: one does.
        """
        for path in (self.path, *([self.own] if self.own is not None else [])):
            if path.resolve().is_relative_to(workspace.resolve()):
                raise KeyUnusableError(f"{path}: keys inside a workspace protect nothing", remedy=_ELSEWHERE)

    def current(self) -> SigningKey:
        """Return the key that signs; one is made where there is none.

        Raises:
            KeyUnusableError: it can't be read, opened or made, or others may read it.
        """
        if self.own is not None:
            return self._load(self.own)
        numbers = self._numbers()
        return self._load(self._key_path(numbers[-1])) if numbers else self._make(after=0)

    def keys(self) -> list[SigningKey]:
        """Return all keys, the one that signs first; raises as `current` does."""
        own = [self._load(self.own)] if self.own is not None else []
        return own + [self._load(self._key_path(number)) for number in reversed(self._numbers())]

    def paths(self) -> list[pathlib.Path]:
        """Name the files of the keys, the one that signs first."""
        own = [self.own] if self.own is not None else []
        return own + [self._key_path(number) for number in reversed(self._numbers())]

    def signer(self, key: SigningKey, origin: str) -> Signer:
        """Return who signs for a log with one of these keys."""
        known = self._signers.get((key, origin))
        if known is None:
            known = self._signers[key, origin] = key.signer(origin)
        return known

    def find_key(self, vkey: str) -> SigningKey | None:
        """Find the private key to a public one in the form that verifiers take; raises as `current` does."""
        origin = vkey.partition("+")[0]
        current = self.current()
        if self.signer(current, origin).vkey == vkey:
            return current
        return next((key for key in self.keys() if self.signer(key, origin).vkey == vkey), None)

    def rotate(self) -> SigningKey:
        """Make a new key that signs from now on.

        Raises:
            InputError: the key that signs is the user's own.
            KeyUnusableError: it can't be made.
        """
        if self.own is not None:
            raise InputError(
                f"{self.own}: this key is your own, and yours to replace",
                remedy="Put another key there, or unset WHENCE_KEY_FILE.",
            )
        return self._make(after=max(self._numbers(), default=0))

    def remembered(self, origin: str) -> Checkpoint | None:
        """Tell what was signed last for a log; raises `ForkError` where that can't be read."""
        return Memory(self.path / "signed", origin).last()

    def sign(self, key: SigningKey, checkpoint: Checkpoint, prove: Prove) -> Note:
        """Sign a checkpoint, if it continues what was signed last for its log.

        Args:
            key: one of these keys.
            checkpoint: what is to be signed; all of it is on the disk.
            prove: makes the proof that it continues the log of a smaller size.

        Raises:
            ForkError: it contradicts what was signed; nothing is signed.
            KeyUnusableError: the memory can't be written; nothing is signed.
        """
        self._make_folder(self.path)
        self._make_folder(self.path / "signed")
        signer = self.signer(key, checkpoint.origin)
        try:
            with Memory(self.path / "signed", checkpoint.origin).advancing(checkpoint, prove):
                return Note(checkpoint.text, ()).signed(signer.sign(checkpoint.text))
        except StoreError as error:
            raise KeyUnusableError(
                f"{self.path}: what is signed can't be remembered, so nothing is ({error.message})",
                remedy=_ELSEWHERE,
            ) from error

    def make_own(self, algorithm: Algorithm = "ed25519") -> SigningKey:
        """Return the user's own key, which is made where it isn't there; raises as `current` does."""
        assert self.own is not None, "made where a file is named"
        try:
            if not self.own.parent.is_dir():
                self._make_folder(self.own.parent)
            with locked(self.own.with_name(f".{self.own.name}.lock"), mode=0o600):
                if not self.own.exists():
                    key = SigningKey(secrets.token_bytes(SEED_BYTES), algorithm)
                    write_whole(self.own, key.to_pem(passphrase=self._passphrase), mode=0o600)
        except OSError as error:
            if isinstance(error, KeyUnusableError):
                raise
            raise _unusable(self.own, error) from error
        return self._load(self.own)

    def _key_path(self, number: int) -> pathlib.Path:
        return self.path / f"key-{number}.pem"

    def _numbers(self) -> list[int]:
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unusable(self.path, error) from error
        return sorted(int(match[1]) for match in map(_KEY_NAME.fullmatch, names) if match)

    def _load(self, path: pathlib.Path) -> SigningKey:
        try:
            if path != self.own:
                _check_private(path.parent)
            found = _check_private(path)
            stamp = (found.st_mtime_ns, found.st_size)
            known = self._read.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            data = path.read_bytes()
        except OSError as error:
            raise _unusable(path, error) from error
        is_locked = b"ENCRYPTED" in data
        try:
            key = SigningKey.from_pem(data, passphrase=self._passphrase if is_locked else None)
        except KeyUnusableError as error:
            opens = "Set WHENCE_KEY_PASSPHRASE, or WHENCE_KEY_PASSPHRASE_FILE, to the one that locks it."
            remedy = opens if is_locked else error.remedy
            raise KeyUnusableError(f"{path}: {error.message}", remedy=remedy) from error
        self._read[path] = (stamp, key)
        return key

    def _make(self, *, after: int) -> SigningKey:
        """Make the key that follows; of processes that do so at once one makes it, and all get it."""
        self._make_folder(self.path)
        try:
            with locked(self.path / "lock", mode=0o600):
                number = max(self._numbers(), default=0)
                if number == after:
                    number += 1
                    pem = SigningKey(secrets.token_bytes(SEED_BYTES)).to_pem(passphrase=self._passphrase)
                    write_whole(self._key_path(number), pem, mode=0o600)
        except OSError as error:
            raise _unusable(self.path, error) from error
        return self._load(self._key_path(number))

    def _make_folder(self, path: pathlib.Path) -> None:
        try:
            if not path.is_dir():
                make_folder(path.parent)
                path.mkdir(mode=0o700, exist_ok=True)
                sync_folder(path.parent)
            _check_private(path)
        except OSError as error:
            raise _unusable(path, error) from error


def _folder_of(environment: Mapping[str, str]) -> pathlib.Path:
    given = environment.get("WHENCE_KEYS")
    if given:
        return pathlib.Path(given).expanduser().absolute()
    config = environment.get("XDG_CONFIG_HOME")
    if config and pathlib.Path(config).is_absolute():  # the specification ignores others
        return pathlib.Path(config) / "whence" / "keys"
    try:
        return pathlib.Path.home() / ".config" / "whence" / "keys"
    except RuntimeError as error:
        raise KeyUnusableError("there is no home folder to keep keys in", remedy=_ELSEWHERE) from error


def _passphrase_of(environment: Mapping[str, str]) -> bytes | None:
    given = environment.get("WHENCE_KEY_PASSPHRASE")
    if given:
        return given.encode("utf-8", "surrogateescape")
    path = environment.get("WHENCE_KEY_PASSPHRASE_FILE")
    if not path:
        return None
    try:
        line = pathlib.Path(path).expanduser().read_bytes().split(b"\n", 1)[0].removesuffix(b"\r")
    except OSError as error:
        raise _unusable(pathlib.Path(path), error) from error
    if not line:
        raise KeyUnusableError(f"{path}: its first line, the passphrase, is empty", remedy="Write one there.")
    return line


def _check_private(path: pathlib.Path) -> os.stat_result:
    """Check that only its owner, who runs this, may read a file or folder."""
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid():
        raise KeyUnusableError(f"{path}: belongs to another user", remedy=_ELSEWHERE)
    if mode & 0o077:
        wanted = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise KeyUnusableError(
            f"{path}: others than its owner may open it (mode {mode:03o}, wanted {wanted})",
            remedy=f"chmod {wanted} {path}; if anybody may have read the key: whence key rotate.",
        )
    return found


def _unusable(path: pathlib.Path, error: OSError) -> KeyUnusableError:
    if isinstance(error, KeyUnusableError):
        return error
    words = error.message if isinstance(error, StoreError) else error.strerror
    return KeyUnusableError(f"{path}: no key can be used ({words or error})", remedy=_ELSEWHERE)
