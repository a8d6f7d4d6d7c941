"""Portable apps, which no package system knows. A file scan lists them, and their content identifies them.

    scan.py          the file scan below the places of software and of users' programs
    app_names.py     the names of portable apps, for which the file scan searches
    evidence.py      certain identification of a program, by its content
    own_files.py     the files of an app that the quarantine takes
    launchers.py     files that start an app: desktop entries, autostart entries, systemd units
    scan_cache.py    data that a scan saves for the next scan

The other files read formats of such apps, such as AppImages and desktop entries.
"""
