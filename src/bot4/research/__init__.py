"""Backtests, metrics and reports."""
