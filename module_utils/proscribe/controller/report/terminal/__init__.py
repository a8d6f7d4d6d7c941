"""The output of a run on the terminal: the report, differences, lifts, and answers of the history."""
