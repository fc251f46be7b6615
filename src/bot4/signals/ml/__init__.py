"""Learned signals: compiled tree inference."""
