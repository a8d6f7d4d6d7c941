"""The transport of code and calls to hosts, and of their answers back. On the controller."""
