"""Backends with a real filter, one file each: the resolver, the obstacles on a host, and the installation.

declaration.py   declaration of a backend registry.py      list of all backends
"""
