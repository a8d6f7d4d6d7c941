"""Helpers that know nothing of the project: durations, times, hashes, text. For both sides; Python 3.9."""
