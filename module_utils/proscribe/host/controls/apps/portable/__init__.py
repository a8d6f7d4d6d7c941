"""Portable apps, which no package system knows: found by one file scan, and known by what is in them.

scan.py               the file scan below the places where software and users keep programs
names.py              the names of portable apps
evidence.py           how a program is known for certain, by its content
launchers.py          what starts an app: desktop entries, autostart entries, units
scan_cache.py         what a scan saves for the next one
"""
