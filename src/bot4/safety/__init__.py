"""What may stop everything: kill latch, control modes, the order gate."""
