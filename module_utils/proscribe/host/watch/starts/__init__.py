"""Noticing that a program starts: the daemon, and what it reads."""
