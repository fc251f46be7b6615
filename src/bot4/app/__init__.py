"""The only wiring: configuration, composition, command line."""
