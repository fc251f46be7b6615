"""bot4: trades cryptocurrency on its own; every order carries proof, every decision a reason."""

__version__ = "0.1.0"
