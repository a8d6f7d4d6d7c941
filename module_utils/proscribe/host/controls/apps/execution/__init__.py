"""Execution control: the kernel denies restricted paths if the inventory requires it."""
