"""What a run prints on the terminal: the report, differences, what was lifted, and what the history says."""
