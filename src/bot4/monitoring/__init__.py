"""Reads what happens and tells it: alarms over channels of their own. Nobody but app imports it."""
