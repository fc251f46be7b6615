"""Game theory: equilibria of small games, and what they say about quotes, information and rivals."""
