"""Reports on disk: written, read and pruned. Controller side."""
