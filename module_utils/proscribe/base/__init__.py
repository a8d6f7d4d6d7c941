"""What knows nothing of the project: durations, moments, hashing, text. On both sides; Python 3.9."""
