"""Live trading: the session, its snapshots, recovery after any end, and agreement with the venue."""
