"""Digests of what a table says: of a chunk of rows, and of a whole one that comes chunk by chunk."""

from __future__ import annotations

from typing import Any

from whence.datasets.logical import spelled, type_name
from whence.vocab import Hasher, digest_value

_NO_TYPE = "null"


class ContentHasher:
    """Digests rows as they come; how they are chunked makes no difference.

    The digest changes with any value, missing or not, with the names, the order and the types of columns, and
    with the order of rows.
    """

    __slots__ = ("_hashers", "rows")

    def __init__(self) -> None:
        self._hashers: dict[str, dict[str, Hasher]] = {}
        self.rows = 0

    def update(self, table: Any) -> None:
        """Take further rows: a table or a record batch of the same columns.

        Raises:
            InputError: values of a type that can't be spelled.
        """
        for name, column in zip(table.schema.names, table.columns, strict=True):
            hashers = self._hashers.setdefault(name, {})
            for stream, content in spelled(column):
                if stream not in hashers:
                    hashers[stream] = Hasher()
                hashers[stream].update(content)
        self.rows += table.num_rows

    def digest(self, schema: Any) -> bytes:
        """Digest what has come.

        Args:
            schema: the types of the columns; known at the end, since a column may begin with nothing but
                missing values.
        """
        columns = [[field.name, type_name(field.type), self.column_digest(field.name)] for field in schema]
        return digest_value({"columns": columns, "rows": self.rows})

    def column_digest(self, name: str) -> bytes:
        """Digest the values of one column."""
        streams = {stream: hasher.digest() for stream, hasher in self._hashers.get(name, {}).items()}
        return digest_value(streams)


def content_digest(table: Any) -> bytes:
    """Digest the names, types and values of one table; a column without a value has no type here."""
    hasher = ContentHasher()
    hasher.update(table)
    said: list[Any] = [
        [
            name,
            _NO_TYPE if column.null_count == len(column) else type_name(column.type),
            hasher.column_digest(name),
        ]
        for name, column in zip(table.schema.names, table.columns, strict=True)
    ]
    return digest_value([*said, table.num_rows])
