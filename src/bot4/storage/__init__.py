"""The data lake and the journal."""
