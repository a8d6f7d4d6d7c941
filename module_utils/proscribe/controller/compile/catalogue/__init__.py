"""The catalogue: its files, their grammar, its feeds, and what nobody may block."""
