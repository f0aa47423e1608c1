"""Reporting: tables, figures and one HTML page for each suite, from its metrics files alone.

Nothing here trains or loads a model, and torch is not needed.
"""

from neglink.reporting.published import cells
from neglink.reporting.report import make_report

__all__ = ["cells", "make_report"]
