"""Which witnesses the user asks: a policy file beside his keys.

    <keys>/witnesses    C2SP tlog-policy: `witness NAME VKEY URL` lines; the group `auto` names those that
                        are asked whenever a run has been logged

It lies with the keys and not in the workspace, because it sends: a workspace that somebody else gave must not
decide to whom this machine talks. It decides nothing about trust: whom a reader believes stands in the policy
that he verifies with, and an owner who asks false friends gains nothing by it.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from dataclasses import dataclass

from whence.errors import InputError, NotFoundError
from whence.ledger import KnownWitness, Policy, parse_policy
from whence.store import explained, explained_reading, write_whole

_AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Friend:
    """A witness that the user asks, by the name that he gave it, and whether it is asked by itself."""

    witness: KnownWitness
    is_auto: bool

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.witness.name


class WitnessBook:
    """The witnesses of a user.

    Args:
        keys: the folder of his key ring.
    """

    def __init__(self, keys: pathlib.Path) -> None:
        self.path = keys / "witnesses"

    def friends(self) -> list[Friend]:
        """List them; none where none was ever added.

        Raises:
            InputError: the file isn't a policy, or one of its witnesses has no address.
            StoreError: it can't be read.
        """
        policy = self._read()
        if policy is None:
            return []
        homeless = [each.name for each in policy.witnesses if not each.url]
        if homeless:
            raise InputError(
                f"{self.path}: {', '.join(homeless)} without an address",
                remedy="A line is: witness NAME VKEY URL.",
            )
        members = {name for group in policy.groups if group.name == _AUTO for name in group.members}
        return [Friend(witness=each, is_auto=each.name in members) for each in policy.witnesses]

    def add(self, url: str, vkey: str, *, name: str = "", is_auto: bool = False) -> Friend:
        """Add a witness, or give one that is there another address.

        Args:
            url: its submission prefix.
            vkey: its key.
            name: what it is called here; by default the name of its key.
            is_auto: whether it is asked whenever a run has been logged.

        Raises:
            InputError: it isn't a key of a witness, the address can't be asked, or the name is another's.
            StoreError: it can't be written.
        """
        if not url.startswith(("http://", "https://")) or url != "".join(url.split()):
            raise InputError(
                f"{url!r:.100} is no address of a witness",
                remedy="Write the submission prefix, as https://host/path.",
            )
        (witness,) = parse_policy(f"witness {name or _name_of(vkey)} {vkey} {url}\nquorum none\n").witnesses
        friend = Friend(witness=witness, is_auto=is_auto)
        others = [each for each in self.friends() if each.witness.verifier != witness.verifier]
        if friend.name in {_AUTO, *(each.name for each in others)}:
            raise InputError(f"another witness is called {friend.name}", remedy="Name this one with --name.")
        self._write([*others, friend])
        return friend

    def remove(self, name: str) -> Friend:
        """Forget a witness, by what it is called here.

        Raises:
            NotFoundError: there is none.
            StoreError: it can't be written.
        """
        friends = self.friends()
        for friend in friends:
            if friend.name == name:
                self._write(each for each in friends if each is not friend)
                return friend
        raise NotFoundError(f"no witness {name!r:.100}", remedy="whence witness list names them.")

    def _read(self) -> Policy | None:
        try:
            with explained_reading(self.path):
                return parse_policy(self.path.read_bytes())
        except NotFoundError:
            return None
        except InputError as error:
            raise InputError(f"{self.path}: {error.message}", remedy=error.remedy) from error

    def _write(self, friends: Iterable[Friend]) -> None:
        kept = list(friends)
        lines = [f"witness {each.name} {each.witness.verifier.vkey} {each.witness.url}" for each in kept]
        auto = [each.name for each in kept if each.is_auto]
        if auto:
            lines.append(f"group {_AUTO} any {' '.join(auto)}")
        text = "\n".join([*lines, "quorum none"]) + "\n"
        with explained(self.path.parent):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self.path, text.encode("utf-8", "surrogateescape"))


def _name_of(vkey: str) -> str:
    return vkey.partition("+")[0]
