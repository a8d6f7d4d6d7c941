"""Proscribe: enforce a ban on services, and say for every host whether it holds."""

__version__ = "0.1.0"
