"""The catalogue: its files, their grammar, its feeds, and the names and networks that no entry may block."""
