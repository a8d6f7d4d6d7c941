"""Backends with a real filter, one module each: the resolver, the obstacles on a host, and the installation.

declaration.py       interface of a backend
filter_backends.py   list of all backends
"""
