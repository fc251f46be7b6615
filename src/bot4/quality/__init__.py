"""Accept or quarantine: checks on market data."""
