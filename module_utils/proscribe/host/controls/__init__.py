"""Controls: each is one layer of the ban, with the three functions that controls/base.py describes."""
