"""Quarantine: apps are moved out of every user's reach, and can be restored complete.

moving.py       moves into the quarantine
restoring.py    moves out of the quarantine
completing.py   completion of interrupted moves
privileges.py   privileges of restored programs
manifest.py     the manifest of each item
capacity.py     limits of size and time
operator.py     operations of operators: list, restore, prune
"""
