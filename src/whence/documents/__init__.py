"""Documents: pages made of the record, readable without us."""

from whence.documents.report import write_report

__all__ = ["write_report"]
