"""Raw frames to sequenced events, books and bars."""
