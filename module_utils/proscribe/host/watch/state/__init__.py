"""State of the watch on its host, and data derived from the state."""
