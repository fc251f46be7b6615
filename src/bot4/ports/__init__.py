"""Protocols of what is outside, with a hand-written fake beside each."""
