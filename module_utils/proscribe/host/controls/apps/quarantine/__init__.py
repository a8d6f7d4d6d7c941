"""The quarantine: what is moved out of everybody's reach, and comes back whole.

moving.py       into it
restoring.py    out of it
completing.py   what an interrupted move comes to
privileges.py   which program has its privileges back
manifest.py     what it knows of each thing in it
capacity.py     how much it may hold, and for how long
operator.py     what operators do with it: list, restore, prune
"""
