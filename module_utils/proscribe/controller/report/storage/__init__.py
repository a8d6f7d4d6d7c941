"""Reports on disk: written, found again, pruned. Controller side."""
