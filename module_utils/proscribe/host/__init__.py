"""Code that runs on a managed host, and no other code. Standard library only, Python 3.9."""
