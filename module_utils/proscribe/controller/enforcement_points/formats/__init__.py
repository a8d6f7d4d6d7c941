"""Formats of exports, each in its own file with `FORMAT = ExportFormat(...)`. See ../format_declaration.py."""
