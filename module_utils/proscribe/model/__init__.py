"""The data that both sides exchange, each kind with its reader and its writer. On both sides; Python 3.9."""
