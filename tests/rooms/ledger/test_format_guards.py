"""Each guard of the ledger's formats has its attack: taken out of the source, the attack succeeds.

A module's own text is read, one guard is taken out, and what is left runs in place of the module; the modules
above it are made again over the spoiled one. The same attack is tried on both: refused, and then accepted.
"""

from __future__ import annotations

import ast
import base64
import importlib
import inspect
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.edwards import BASE, ORDER, P, encoded, point, times
from tests.notaries import AT_S, ENTRIES, checkpoint_of, cosigner, log_signer, signed
from whence.errors import WhenceError
from whence.ledger import Checkpoint, Note, Signature

LOG, WITNESS, MODERN = log_signer(), cosigner(), cosigner("modern", is_mldsa=True)
TREE = checkpoint_of()
NOTE = signed(TREE, LOG)
ROOT = base64.b64encode(TREE.root).decode()

Names = dict[str, Any]


def made(module: str, guard: str = "", instead: str = "", *, over: dict[str, Names] | None = None) -> Names:
    """Run a module's text without one guard, over modules that were made before."""
    source = inspect.getsource(importlib.import_module(f"whence.ledger.{module}"))
    assert not guard or source.count(guard) == 1, f"{module}: the guard isn't there once: {guard}"
    source = source.replace(guard, instead) if guard else source
    names: Names = {"__name__": f"whence.ledger.{module}"}
    exec(compile(source, module, "exec"), names)
    for line in ast.parse(source).body:
        if isinstance(line, ast.ImportFrom) and over and (line.module or "") in over:
            names |= {each.name: over[line.module or ""][each.name] for each in line.names}
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A guard in the source, what stands in its place when it is gone, and who is made over the module."""

    module: str
    text: str
    attack: Callable[[Names], object]
    instead: str = ""
    above: Sequence[str] = ()

    def accepts(self, *, is_whole: bool) -> bool:
        text, instead = ("", "") if is_whole else (self.text, self.instead)
        over = {f"whence.ledger.{self.module}": made(self.module, text, instead)}
        for each in self.above:
            over[f"whence.ledger.{each}"] = made(each, over=over)
        top = over[f"whence.ledger.{([self.module, *self.above])[-1]}"]
        try:
            return self.attack(top) is not False
        except WhenceError:
            return False


def checked(data: bytes, *verifiers: Any) -> Callable[[Names], object]:
    return lambda names: names["check_note"](data, verifiers)


def respelled(data: bytes) -> bytes:
    """Set an unused bit of the base64 at the end of a note."""
    assert data.endswith(b"=\n")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = data.rstrip(b"=\n")
    return last[:-1] + alphabet[alphabet.index(last[-1]) + 1 :][:1] + data[len(last) :]


def parsed(text: str) -> Callable[[Names], object]:
    return lambda names: names["parse_checkpoint"](text)


def policy(*lines: str, note: Note = NOTE) -> Callable[[Names], object]:
    text = "".join(f"{line}\n" for line in (f"log {LOG.vkey}", *lines))
    return lambda names: names["parse_policy"](text).met_by(note.encode())


def verifier(public: bytes) -> Callable[[Names], object]:
    return lambda names: names["check_public"]("ed25519", public, what="key")


def late(text: str, time_s: int = AT_S) -> Signature:
    """Cosign any text at any time, as a witness that breaks the rules would."""
    value = WITNESS.key.sign(f"cosignature/v1\ntime {time_s}\n{text}".encode())
    return Signature(WITNESS.name, WITNESS.verifier.key_id, struct.pack(">Q", time_s) + value)


def cosigned(text: str, signature: Signature) -> Callable[[Names], object]:
    def attack(names: Names) -> object:
        known = names["CosignatureVerifier"](WITNESS.name, 4, WITNESS.verifier.public)
        return known.is_valid(text, signature)

    return attack


def receipt(data: bytes) -> Callable[[Names], object]:
    return lambda names: names["parse_receipt"](data)


def judged(remembered: Checkpoint | None, data: bytes, *verifiers: Any) -> Callable[[Names], object]:
    def attack(names: Names) -> object:
        return names["judge"](remembered, names["parse_add_checkpoint"](data), verifiers).ruling == "cosign"

    return attack


def request(old_size: int, note: Note) -> bytes:
    return f"old {old_size}\n\n".encode() + note.encode()


def split_and_signed(text: str) -> tuple[bytes, ...]:
    """Sign a text that is no note's."""
    return text.encode(), b"\n", LOG.sign(text).line.encode()


FALSE = Note(NOTE.text, (Signature(LOG.name, LOG.key_id, b"x" * 64),))
TWICE = Note(NOTE.text, NOTE.signatures * 2)
OTHER_LOG = log_signer(b"o" * 32, "log.example/two")
LONGER = Checkpoint(TREE.origin, TREE.size, TREE.root, ("unsigned",))
W1 = f"witness W1 {WITNESS.vkey}"
RECEIPT = b"c2sp.org/tlog-proof@v1\n%sindex %d\n\n" + NOTE.encode()
OFF_CURVE_Y = next(y for y in range(2, 99) if point(y) is None)

GUARDS = {
    "a respelled signature": Guard(
        module="spelling",
        text="if to_base64(data) != text:",
        instead="if False:",
        above=["notes"],
        attack=checked(respelled(NOTE.encode()), LOG.verifier),
    ),
    "foreign signs inside base64": Guard(
        module="spelling",
        text="if to_base64(data) != text:",
        instead="if False:",
        above=["notes"],
        attack=checked(NOTE.encode()[:-9] + b"!" + NOTE.encode()[-9:], LOG.verifier),
    ),
    "leading zeroes": Guard(
        module="spelling",
        text='r"0|[1-9][0-9]{0,18}"',
        instead='r"[0-9]{1,19}"',
        above=["checkpoints"],
        attack=parsed(f"o\n01\n{ROOT}\n"),
    ),
    "digits of other scripts": Guard(
        module="spelling",
        text='r"0|[1-9][0-9]{0,18}"',
        instead='r"\\d{1,19}"',
        above=["checkpoints"],
        attack=parsed(f"o\n\u0667\n{ROOT}\n"),
    ),
    "a size that wraps in 64 bits": Guard(
        module="spelling",
        text=" or int(text) > MAX_SIZE",
        attack=lambda names: names["from_decimal"](str(2**63 + 1), what="size"),
    ),
    "a name with a space": Guard(
        module="spelling",
        text=" or not _SPACES.isdisjoint(name)",
        attack=lambda names: names["check_key_name"]("a\u00a0b"),
    ),
    "a name with a plus": Guard(
        module="spelling",
        text=' or "+" in name',
        attack=lambda names: names["check_key_name"]("a+b"),
    ),
    "a control character in the text": Guard(
        module="notes",
        text='        check_characters(self.text, what="note")\n',
        attack=checked(b"".join(split_and_signed("\x1b[2J\n")), LOG.verifier),
    ),
    "a false signature": Guard(
        module="notes",
        text="if not verifier.is_valid(note.text, signature):",
        instead="if False:",
        attack=checked(FALSE.encode(), LOG.verifier),
    ),
    "nobody's signature": Guard(
        module="notes",
        text="if not signed:",
        instead="if False:",
        attack=checked(NOTE.encode(), OTHER_LOG.verifier),
    ),
    "one signature twice": Guard(
        module="notes",
        text="if identity in signed:",
        instead="if False:",
        attack=checked(TWICE.encode(), LOG.verifier),
    ),
    "a vkey with another key's ID": Guard(
        module="notes",
        text="if text != vkey_text(name, data[0], data[1:]):",
        instead="if False:",
        attack=lambda names: names["split_vkey"](LOG.vkey.replace(f"{LOG.key_id:08x}", "00000000")),
    ),
    "a line under another name": Guard(
        module="keys",
        text="if (signature.name, signature.key_id) != (self.name, self.key_id):",
        instead="if False:",
        attack=lambda names: names["NoteVerifier"](LOG.name, LOG.verifier.public).is_valid(
            NOTE.text, Signature("other", LOG.key_id, NOTE.signatures[0].value)
        ),
    ),
    "a key under which anybody signs": Guard(
        module="algorithms",
        text="if y in _SMALL_ORDER_Y:",
        instead="if False:",
        attack=verifier((0).to_bytes(32, "little")),
    ),
    "a second spelling of a key": Guard(
        module="algorithms",
        text="if y >= _PRIME:",
        instead="if False:",
        attack=verifier((P + 3).to_bytes(32, "little")),
    ),
    "a key that is no point": Guard(
        module="algorithms",
        text="if pow((y * y - 1) * (_CURVE_D * y * y + 1), (_PRIME - 1) // 2, _PRIME) != 1:",
        instead="if False:",
        attack=verifier(OFF_CURVE_Y.to_bytes(32, "little")),
    ),
    "an empty log with any root": Guard(
        module="checkpoints",
        text='if self.size == 0 and self.root != digest_bytes(b""):',
        instead="if False:",
        attack=parsed(f"o\n0\n{ROOT}\n"),
    ),
    "a checkpoint that was cut": Guard(
        module="checkpoints",
        text="if len(lines) < 4 or lines.pop():",
        instead="if len(lines) < 4:\n        pass\n    if False:",
        attack=parsed(f"o\n7\n{ROOT}"),
    ),
    "a checkpoint with an empty line": Guard(
        module="checkpoints",
        text='if not line or "\\n" in line:',
        instead="if False:",
        attack=parsed(f"o\n7\n{ROOT}\n\n"),
    ),
    "a time beyond 63 bits": Guard(
        module="cosignatures",
        text=" and time_s <= MAX_SIZE else None",
        instead=" else None",
        attack=cosigned(TREE.text, late(TREE.text, 2**63)),
    ),
    "a cosignature of what is no checkpoint": Guard(
        module="cosignatures",
        text="message = _message(self.algorithm, self.name, parse_checkpoint(text), time_s)",
        instead='message = f"cosignature/v1\\ntime {time_s}\\n{text}".encode()',
        attack=cosigned("hello\n", late("hello\n")),
    ),
    "an entry outside the log": Guard(
        module="proofs",
        text="if not 0 <= self.index < self.tree.size:",
        instead="if False:",
        attack=receipt(RECEIPT % (b"", len(ENTRIES))),
    ),
    "something extra that is nothing": Guard(
        module="proofs",
        text="if not extra:",
        instead="if False:",
        attack=receipt(RECEIPT % (b"extra \n", 1)),
    ),
    "a log that signs for another": Guard(
        module="policies",
        text=" if verifier.name == checkpoint.origin]",
        instead="]",
        attack=policy(f"log {OTHER_LOG.vkey}", "quorum none", note=signed(TREE, OTHER_LOG)),
    ),
    "witnesses in the place of the log": Guard(
        module="policies",
        text="if not by_log:",
        instead="if False:",
        attack=policy(W1, "quorum W1", note=Note(TREE.text, (WITNESS.cosign(TREE, time_s=AT_S),))),
    ),
    "extension lines that nobody signed": Guard(
        module="cosignatures",
        text="if checkpoint.extensions:",
        instead="if False:",
        attack=lambda names: names["CosignatureVerifier"](MODERN.name, 6, MODERN.verifier.public).is_valid(
            LONGER.text, MODERN.cosign(TREE, time_s=AT_S)
        ),
    ),
    "no quorum": Guard(
        module="policies",
        text="if self.quorum not in reached:",
        instead="if False:",
        attack=policy(W1, "quorum W1"),
    ),
    "a group that is too small": Guard(
        module="policies",
        text="if len(found) >= group.least:",
        instead="if found:",
        attack=policy(
            W1,
            f"witness W2 {MODERN.vkey}",
            "group g all W1 W2",
            "quorum g",
            note=signed(TREE, LOG, [WITNESS]),
        ),
    ),
    "one key that counts as two witnesses": Guard(
        module="policies",
        text="if other != self.number:",
        instead="if False:",
        attack=policy(
            W1,
            W1.replace("W1", "W2"),
            "group g all W1 W2",
            "quorum g",
            note=signed(TREE, LOG, [WITNESS]),
        ),
    ),
    "one witness that counts in two groups": Guard(
        module="policies",
        text="if member in self.line_by_member:",
        instead="if False:",
        attack=policy(
            W1,
            "group g any W1",
            "group h any W1",
            "group all-of-them all g h",
            "quorum all-of-them",
            note=signed(TREE, LOG, [WITNESS]),
        ),
    ),
    "a plain key as a witness": Guard(
        module="policies",
        text="if verifier.algorithm not in types:",
        instead="if False:",
        attack=policy(f"witness W {OTHER_LOG.vkey}", "quorum none"),
    ),
    "a group named none": Guard(
        module="policies",
        text="if name == NONE:",
        instead="if False:",
        attack=policy(W1.replace("W1", "none"), "quorum none"),
    ),
    "a policy that was cut": Guard(
        module="policies",
        text='if raw and not raw.endswith(b"\\n"):',
        instead="if False:",
        attack=lambda names: names["parse_policy"](f"{W1}\nquorum W1".encode()),
    ),
    "a control character in a policy": Guard(
        module="policies",
        text="    if foreign:",
        instead="    if False:",
        attack=policy("# \x1b[2J", "quorum none"),
    ),
    "a log that nobody knows": Guard(
        module="witnessing",
        text="        check_note(request.note, verifiers)\n",
        instead="        pass\n",
        attack=judged(None, request(0, NOTE), OTHER_LOG.verifier),
    ),
    "a fork": Guard(
        module="witnessing",
        text="    except ProofError as error:\n        return ",
        instead="    except ProofError as error:\n        pass\n    if False:\n        return ",
        attack=judged(checkpoint_of(3), request(3, NOTE), LOG.verifier),
    ),
    "another log's memory": Guard(
        module="witnessing",
        text="if remembered is not None and remembered.origin != new.origin:",
        instead="if False:",
        attack=judged(
            Checkpoint("log.example/two", TREE.size, TREE.root), request(TREE.size, NOTE), LOG.verifier
        ),
    ),
    "a cosignature without its time": Guard(
        module="witnessing",
        text="if not time_of(each):",
        instead="if False:",
        attack=lambda names: names["take_cosignatures"](
            NOTE, MODERN.cosign(TREE, time_s=0).line.encode(), [MODERN.verifier]
        ),
    ),
}


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
def test_the_attack_is_refused_and_succeeds_without_the_guard(guard: Guard) -> None:
    assert not guard.accepts(is_whole=True)
    assert guard.accepts(is_whole=False)


def test_the_second_half_of_a_signature_is_guarded_by_the_library() -> None:
    """Malleability is OpenSSL's to refuse; that it does is what we rely on."""
    value = NOTE.signatures[0].value
    s = int.from_bytes(value[32:], "little") + ORDER
    other = Signature(LOG.name, LOG.key_id, value[:32] + s.to_bytes(32, "little"))
    # The equation holds for the second spelling as well: only the range of S speaks against it.
    assert encoded(times(s, BASE)) == encoded(times(s - ORDER, BASE))
    assert not LOG.verifier.is_valid(NOTE.text, other)
