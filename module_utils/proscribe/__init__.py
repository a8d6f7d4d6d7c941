"""Proscribe: enforce a ban on services, and say for every host whether it holds."""
