"""Portable apps, which no package system knows: a file scan lists them, and their content identifies them.

scan.py               the file scan below the places of software and of users' programs
names.py              the names of portable apps
evidence.py           certain identification of a program, by its content
launchers.py          entries that start an app: desktop entries, autostart entries, units
scan_cache.py         data that a scan saves for the next scan
"""
