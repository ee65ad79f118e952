"""Who may read what: signatures, keys and tokens, each for its own host only."""
