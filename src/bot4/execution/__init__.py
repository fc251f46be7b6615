"""Order lifecycle: states, brackets, client order ids."""
