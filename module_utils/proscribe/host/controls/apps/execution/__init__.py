"""Execution control: restricted paths are denied by the kernel, where the inventory asks for it."""
