"""Labels, purged validation and training."""
