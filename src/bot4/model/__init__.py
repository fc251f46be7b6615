"""The words of bot4: exact numbers, events, orders, errors."""
