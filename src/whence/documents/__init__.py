"""Documents: pages made of the record, readable without us."""

from whence.documents.comparison import write_comparison
from whence.documents.report import write_report

__all__ = ["write_comparison", "write_report"]
