"""What the watch stores on its host, and what is derived from it."""
