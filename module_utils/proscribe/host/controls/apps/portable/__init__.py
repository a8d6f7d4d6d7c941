"""Portable apps, which no package system knows. A file scan lists them, and their content identifies them.

scan.py                  the file scan below the places of software and of users' programs app_names.py             the
names of portable apps evidence.py              certain identification of a program, by its content own_files.py
the files of an app that the quarantine takes launchers.py             entries that start an app: desktop entries,
autostart entries, units scan_cache.py            data that a scan saves for the next scan
"""
