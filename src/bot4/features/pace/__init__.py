"""Pace: how much the market moves, which regime it is in, and how often to look."""
