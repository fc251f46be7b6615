"""The compiled step and its driver."""
