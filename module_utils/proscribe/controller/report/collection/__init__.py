"""While a run goes on: what hosts answer, how the run was called, and how far it is. Controller side."""
