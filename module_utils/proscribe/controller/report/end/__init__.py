"""The end of a run, now or made up for later, and its report on disk."""
