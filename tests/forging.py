"""What somebody can do who may write every file: records with other content in which every digest agrees.

Checksums, chains, commitments and what journals say of segments are made anew, as `docs/reference/format.md`
tells. So what these leave behind holds by itself, and only what stands elsewhere can tell.
"""

from __future__ import annotations

import pathlib
import struct
import zlib
from collections.abc import Callable
from typing import Any

from whence.store import Frame, decode_content, encode_content, scan_frames
from whence.vocab import digest_bytes

EVENT = 1
BODY = 1

Change = Callable[[dict[str, Any], dict[str, Any] | None], bool]
"""Changes an event's public part and its body in place; tells whether it did."""


def write_frames(path: pathlib.Path, frames: list[tuple[int, bytes]]) -> None:
    """Write a framed file anew behind its head, each frame with checksum and chain as they should be."""
    head = path.read_bytes()[:16]
    written, chain = bytearray(head), digest_bytes(head)
    for kind, payload in frames:
        covered = struct.pack("<IHH", len(payload), kind, 0)
        chain = digest_bytes(chain + covered + payload)
        checksum = zlib.crc32(payload, zlib.crc32(covered))
        written += b"\xf7WHF" + covered + struct.pack("<I", checksum) + chain + payload
    path.write_bytes(written)


def rewrite_journal(run: pathlib.Path, change: Change) -> int:
    """Change what a run's journal says, its bodies with it; returns how many events were changed.

    Args:
        run: the run's folder.
        change: is given each event with its body.
    """
    journal, payloads = run / "journal", run / "payloads"
    kept = scan_frames(payloads).frames if payloads.exists() else []
    bodies = {
        entry["n"]: (place, entry)
        for place, frame in enumerate(kept)
        if frame.kind == BODY
        for entry in [decode_content(frame.payload)]
    }
    events, changed = [], 0
    for frame in scan_frames(journal).frames:
        event = decode_content(frame.payload) if frame.kind == EVENT else None
        place, entry = bodies.get(event["n"], (-1, None)) if event else (-1, None)
        body = None if entry is None else decode_content(entry["b"])
        if event is not None and change(event, body):
            changed += 1
            if entry is not None:
                entry["b"] = encode_content(body)
                event["c"] = digest_bytes(entry["s"] + entry["b"])
                kept[place] = _replaced(kept[place], encode_content(entry))
            events.append((frame.kind, encode_content(event)))
        else:
            events.append((frame.kind, frame.payload))
    write_frames(journal, events)
    if kept:
        write_frames(payloads, [(frame.kind, frame.payload) for frame in kept])
    return changed


def replace_segment(run: pathlib.Path, name: str, content: bytes) -> None:
    """Put another segment in the place of one, and let the journal commit to that."""
    path = run / "segments" / name
    path.write_bytes(content)
    scan = scan_frames(path, keep=False)

    def commit(event: dict[str, Any], body: dict[str, Any] | None) -> bool:
        if event["k"] != "segment" or event["p"]["name"] != name:
            return False
        event["p"] |= {"frames": scan.count, "bytes": scan.sound_bytes, "chain": scan.chain}
        return True

    assert rewrite_journal(run, commit)


def _replaced(frame: Frame, payload: bytes) -> Frame:
    return Frame(offset=frame.offset, kind=frame.kind, payload=payload, chain=frame.chain)
