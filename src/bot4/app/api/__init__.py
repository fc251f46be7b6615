"""The control API of a run: reading its state, and one act, the emergency stop."""
