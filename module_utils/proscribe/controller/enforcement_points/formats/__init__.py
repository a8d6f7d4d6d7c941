"""Formats, each in its own file with `FORMAT = ExportFormat(...)`. See ../declaration.py."""
