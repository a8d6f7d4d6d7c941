"""How runs start automatically on a machine: its units, and what they can see and reach."""
