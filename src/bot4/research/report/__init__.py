"""The report of a run: one HTML file that needs nothing else."""

from bot4.research.report.page import render

__all__ = ["render"]
