"""The end of a run, at its time or made up for later, and its report on disk."""
