"""What a run keeps by name: content of models and artifacts, with format, signature and parents."""

from __future__ import annotations

import io
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from whence.capture import unheard
from whence.errors import InputError, PlanError, SourceError
from whence.runs.formats import ALWAYS_UNSAFE, Found, find_format, format_of_folder
from whence.runs.given import as_pairs, words
from whence.store import RunWriter, SteadyFile
from whence.vocab import Hasher, digest_value, plain

Content = bytes | bytearray | memoryview | str | os.PathLike[str]

NOTHING_KEPT = {"format": "unknown", "unsafe": False}
"""Stands for content while only what is said of it is looked at."""

_RESERVED = "/@#:"
_NAME_LIMIT = 200
_BLOCK_BYTES = 1 << 20


class Parent(TypedDict):
    """A model that another was made from, or that was read, as the record has it.

    `reference` is what was given, `how` the one was made from the other, `digest` names the content, and
    `name`, `version`, `run` and `number` (of its event) are what the reference meant when it was given: None,
    an empty text and -1 where that isn't known.
    """

    reference: str
    how: str
    digest: bytes | None
    name: str | None
    version: int | None
    run: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file of a model that is a folder.

    Args:
        path: where it lies in the folder, with `/`.
        size_bytes: how many bytes it has.
        digest: of these, 32 bytes raw.
        format: what it was found to be.
        is_unsafe: whether loading it runs code that it holds.
    """

    path: str
    size_bytes: int
    digest: bytes
    format: str
    is_unsafe: bool


def check_name(what: str, name: Any) -> str:
    """Take a model's or an alias's name; raises `PlanError`."""
    is_name = isinstance(name, str) and 0 < len(name) <= _NAME_LIMIT and name == name.strip()
    if not is_name or any(char in _RESERVED or not char.isprintable() for char in name):
        raise PlanError(f"{what}({name!r:.40}): wanted a name without / @ # :", remedy='Write "digits".')
    return words(name)


def keep_content(writer: RunWriter, given: Content) -> dict[str, Any]:
    """Keep bytes, a file or a folder.

    Returns:
        What an event says of it: `digest`, `bytes`, `format`, `unsafe`, and of a folder its `files`.

    Raises:
        SourceError: it can't be read, or changed while it was.
        InputError: neither bytes nor a path.
    """
    if isinstance(given, bytes | bytearray | memoryview):
        data = bytes(given)
        found = find_format(io.BytesIO(data), len(data))
        return _said(writer.put_object(data), len(data), found)
    if not isinstance(given, str | os.PathLike):
        raise InputError(
            f"wanted bytes or the path of a file or folder, got {type(given).__name__}",
            remedy="Give one of them.",
        )
    path = pathlib.Path(given)
    with unheard():  # what is kept is a result of the run, and nothing that it read
        return _keep_folder(writer, path) if path.is_dir() else _said(*_keep_file(writer, path))


def model_body(
    name: str, kept: Mapping[str, Any], *, metadata: Any, named_format: str | None, signature: Any
) -> dict[str, Any]:
    """Put together what an event says of a model; what the content shows isn't lost where a name is given."""
    body = {"name": name, **kept, "metadata": plain(as_pairs("metadata", metadata))}
    if named_format is not None and not (isinstance(named_format, str) and named_format):
        raise InputError(
            f"format: wanted a name, got {named_format!r:.40}", remedy="Leave it out to have it found."
        )
    if named_format is not None and named_format != kept["format"]:
        body |= {"format": words(named_format), "found": kept["format"]}
        body["unsafe"] = kept["unsafe"] or named_format in ALWAYS_UNSAFE
    if signature is not None:
        body["signature"] = as_signature(signature)
    return body


def as_signature(given: Any) -> dict[str, list[dict[str, Any]]]:
    """Take a signature: what a model takes and gives.

    Args:
        given: `{"inputs": [...], "outputs": [...]}`, each {"name", "dtype", "shape"}: the shape a list of
            sizes, with None or a name for one that varies; each of the three may be left out.

    Raises:
        InputError: it isn't of that form.
    """
    sides = as_pairs("signature", given)
    if not sides or not sides.keys() <= {"inputs", "outputs"}:
        raise _no_signature(f"has {', '.join(sides) or 'nothing'}")
    return {
        side: [_as_tensor(side, each) for each in _as_list(side, entries)] for side, entries in sides.items()
    }


def as_parents(given: Any) -> list[tuple[str, str]]:
    """Take the models that one was made from: references, each with how.

    Args:
        given: a dict of reference -> how, a list of references, one reference, or None.
    """
    if given is None:
        return []
    if isinstance(given, Mapping):
        pairs = [(key, how) for key, how in given.items()]
    else:
        alone = isinstance(given, str) or not isinstance(given, Sequence)
        pairs = [(each, "derived") for each in ([given] if alone else given)]
    taken = []
    for each, how in pairs:
        reference = getattr(each, "reference", each)
        if not isinstance(reference, str) or not reference or not isinstance(how, str):
            raise InputError(
                f"parents: wanted references of models, got {type(each).__name__}",
                remedy='Write {"digits@champion": "fine-tuned"}, for example.',
            )
        taken.append((words(reference), words(how)))
    return taken


def files_of(body: Mapping[str, Any]) -> list[KeptFile]:
    """List the files of what was kept as a folder; none of what was kept as one content."""
    return [
        KeptFile(path=path, size_bytes=size, digest=digest, format=name, is_unsafe=unsafe)
        for path, size, digest, name, unsafe in body.get("files", ())
    ]


def content_digests(body: Mapping[str, Any]) -> list[bytes]:
    """List the objects that hold what an event kept: its content, or that of each of its files."""
    if "chunks" in body:
        return [digest for _, _, digest, _ in body["chunks"]]
    return [each.digest for each in files_of(body)] if "files" in body else [body["digest"]]


def folder_digest(files: Sequence[tuple[str, int, bytes]]) -> bytes:
    """Digest a folder: its paths, with the size and the digest of each, in the order of their bytes."""
    entries = [[path.encode("utf-8", "surrogatepass"), size, digest] for path, size, digest in files]
    return digest_value(sorted(entries))


def digest_path(path: pathlib.Path) -> bytes:
    """Digest a file or a folder as one that is kept is digested.

    Raises:
        SourceError: it can't be read.
    """
    if not path.is_dir():
        return _digest_file(path)[1]
    return folder_digest([(name, *_digest_file(path / name)) for name in _listing(path)])


def _digest_file(path: pathlib.Path) -> tuple[int, bytes]:
    hasher, size = Hasher(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                hasher.update(block)
                size += len(block)
    except OSError as error:
        raise SourceError(
            f"{path}: can't be read ({error.strerror or error})", remedy="Check the path.", place=str(path)
        ) from error
    return size, hasher.digest()


def _keep_file(writer: RunWriter, path: pathlib.Path) -> tuple[bytes, int, Found]:
    with SteadyFile(path) as file:
        with file.open() as view:
            found = find_format(view, file.size)
        kept = writer.put_file(file)
    return kept.digest, kept.size, found


def _keep_folder(writer: RunWriter, root: pathlib.Path) -> dict[str, Any]:
    """Keep each file of a folder apart; what two models share is there once."""
    before = _listing(root)
    if not before:
        raise SourceError(f"{root}: holds no file", remedy="Log it when it is written.", place=str(root))
    files: list[tuple[str, int, bytes]] = []
    formats: dict[str, Found] = {}
    for name in before:
        digest, size, formats[name] = _keep_file(writer, root / name)
        files.append((name, size, digest))
    if _listing(root) != before:
        raise SourceError(
            f"{root}: changed while it was read", remedy="Log it when it is written.", place=str(root)
        )
    body = _said(folder_digest(files), sum(size for _, size, _ in files), format_of_folder(formats))
    return body | {
        "files": [[name, size, digest, *formats[name]] for name, size, digest in files],
    }


def _said(digest: bytes, size: int, found: Found) -> dict[str, Any]:
    return {"digest": digest, "bytes": size, "format": found.format, "unsafe": found.unsafe}


def _listing(root: pathlib.Path) -> dict[str, tuple[int, int]]:
    """List the files below a folder, links followed, with size and time; sorted by path."""
    found: dict[str, tuple[int, int]] = {}
    try:
        for path in _walk(root, {os.stat(root).st_ino}):
            state = path.stat()
            found[path.relative_to(root).as_posix()] = (state.st_size, state.st_mtime_ns)
    except OSError as error:
        place = str(error.filename or root)
        raise SourceError(
            f"{place}: can't be read ({error.strerror or error})", remedy="Check the path.", place=place
        ) from error
    return dict(sorted(found.items()))


def _walk(folder: pathlib.Path, above: set[int]) -> Iterator[pathlib.Path]:
    for path in sorted(folder.iterdir()):
        if not path.is_dir():
            yield path
        elif (inode := path.stat().st_ino) not in above:  # a link to a folder around it has no end
            yield from _walk(path, above | {inode})


def _as_list(side: str, given: Any) -> Sequence[Any]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise _no_signature(f"{side} is {type(given).__name__}")
    return given


def _as_tensor(side: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not given or not given.keys() <= {"name", "dtype", "shape"}:
        raise _no_signature(f"{side} holds {given!r:.60}")
    tensor: dict[str, Any] = {
        key: words(given[key]) for key in ("name", "dtype") if given.get(key) is not None
    }
    if given.get("shape") is not None:
        shape = _as_list(side, given["shape"])
        sizes = [_as_size(each) for each in shape]
        if any(isinstance(each, bool) or not isinstance(each, int | str | None) for each in sizes):
            raise _no_signature(f"{side} holds the shape {given['shape']!r:.60}")
        tensor["shape"] = sizes
    return tensor


def _as_size(given: Any) -> Any:
    index: Callable[[], int] | None = getattr(given, "__index__", None)
    return given if isinstance(given, bool) or index is None else index()


def _no_signature(found: str) -> InputError:
    return InputError(
        f"signature: {found}; wanted inputs and outputs, each a list of name, dtype and shape",
        remedy='Write {"inputs": [{"name": "x", "dtype": "float32", "shape": [None, 4]}], "outputs": [...]}.',
    )
