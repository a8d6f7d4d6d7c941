"""Evaluation of a run: the expected hosts reconciled with their records, counted, compared and judged. Pure."""
