"""Execution control: the kernel refuses to start programs at restricted paths, if the inventory requires it."""
