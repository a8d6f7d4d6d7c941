"""Macs, which are observed and never changed. Only Macs receive this code (see stream.py).

The paths contain no link, because no link is followed here: `/etc` is `/private/etc`.
"""
