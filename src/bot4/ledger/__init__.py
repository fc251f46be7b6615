"""Double-entry books: fills to positions, cash, fees, funding."""
