"""The simulated exchange: compiled, in process, for books and for bars."""
