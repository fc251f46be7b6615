"""Microstructure: what trades and the book say about liquidity, information and intent."""
