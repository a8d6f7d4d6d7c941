"""What runs on a managed host, and nothing else: standard library only, Python 3.9."""
