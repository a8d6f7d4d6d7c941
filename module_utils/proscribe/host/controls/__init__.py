"""The controls: one layer of the ban each, with the three verbs that controls/base.py describes."""
