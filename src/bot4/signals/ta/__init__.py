"""Technical signals."""
