"""Detection of program starts: the daemon and its sources."""
