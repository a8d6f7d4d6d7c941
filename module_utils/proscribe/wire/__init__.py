"""How code and questions reach a host, and how its answers come back. On the controller."""
