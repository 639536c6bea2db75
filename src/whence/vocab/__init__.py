"""The words as values: canonical bytes, digests and keys; pure, no file, no clock, no network."""

from whence.vocab.canonical import canonical
from whence.vocab.columns import Column, Columns, as_dicts, chosen, holds_large, stack_values
from whence.vocab.contents import KEY_BYTES, content_key, content_keys
from whence.vocab.digests import (
    DIGEST_BYTES,
    Hasher,
    digest_bytes,
    digest_each,
    digest_pairs,
    digest_text,
    digest_value,
    key64,
)
from whence.vocab.foreign import git_object_id
from whence.vocab.mixing import mix64
from whence.vocab.packed import decode_content, encode_content
from whence.vocab.plain import from_plain, plain
from whence.vocab.samples import UNKNOWN, fast64, fast128, sample_digest, sample_digests
from whence.vocab.tensors import is_tensor, tensor_content

__all__ = [
    "DIGEST_BYTES",
    "KEY_BYTES",
    "UNKNOWN",
    "Column",
    "Columns",
    "Hasher",
    "as_dicts",
    "canonical",
    "chosen",
    "content_key",
    "content_keys",
    "decode_content",
    "digest_bytes",
    "digest_each",
    "digest_pairs",
    "digest_text",
    "digest_value",
    "encode_content",
    "fast64",
    "fast128",
    "from_plain",
    "git_object_id",
    "holds_large",
    "is_tensor",
    "key64",
    "mix64",
    "plain",
    "sample_digest",
    "sample_digests",
    "stack_values",
    "tensor_content",
]
