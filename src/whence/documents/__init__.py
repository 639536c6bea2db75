"""Documents: pages made of the record, readable without us; and what plots of metrics need."""

from whence.documents.comparison import write_comparison
from whence.documents.plots import extremes, nice_ticks, tick_texts
from whence.documents.report import write_report

__all__ = ["extremes", "nice_ticks", "tick_texts", "write_comparison", "write_report"]
