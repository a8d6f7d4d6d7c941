"""Quarantine: apps are moved out of every user's reach, and can be restored complete.

move_in.py       moves into the quarantine
restoration.py    moves out of the quarantine
move_completion.py   completion of interrupted moves
privileges.py   privileges of restored programs
manifest.py     the manifest of each item
capacity.py     limits of size and time
operator.py     operations of operators: list, restore, prune
"""
