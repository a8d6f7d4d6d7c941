"""The backends with a real filter, one file each: which resolver it lives with, what it lacks here, how it is set up.

declaration.py   what a backend declares
registry.py      all of them
"""
