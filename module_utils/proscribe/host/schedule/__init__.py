"""How runs start automatically on a machine: its units, and what a host runs that pulls."""
