"""Readers for the files and values that users write."""
