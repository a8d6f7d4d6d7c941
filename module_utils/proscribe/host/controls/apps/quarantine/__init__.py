"""Quarantine: a directory of root to which restricted apps are moved. They can be restored completely.

An item is a file or directory that was moved there, with its manifest (QuarantineEntry).

    move_in.py            moves into the quarantine
    restoration.py        moves out of the quarantine
    move_completion.py    completion of interrupted moves
    privileges.py         privileges of restored programs
    manifest.py           the manifest of each item
    capacity.py           limits of size and time
    operator.py           operations of operators: list, restore, prune
    quarantine_rule.py    summary for the host's record, and the rule about unfinished moves
"""
