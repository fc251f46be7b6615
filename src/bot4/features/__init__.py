"""Streaming indicators and book features."""
