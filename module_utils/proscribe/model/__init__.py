"""The data that passes between the two sides, each with its reader and its writer. On both sides; Python 3.9."""
