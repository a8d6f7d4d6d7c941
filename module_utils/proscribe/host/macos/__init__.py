"""Macs, which are observed and never changed. Host side: only Macs get this code (see stream.py).

The paths are those without links, since none is followed here: `/etc` is `/private/etc`.
"""
