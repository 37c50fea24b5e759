"""Scores as text, and a comparison of methods as a page to look at."""

from xstf.report.page import write_page
from xstf.report.text import table

__all__ = ["table", "write_page"]
