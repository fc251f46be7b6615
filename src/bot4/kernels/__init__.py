"""Compiled primitives and the decorator that compiles."""
