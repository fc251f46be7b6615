"""One folder per venue."""
