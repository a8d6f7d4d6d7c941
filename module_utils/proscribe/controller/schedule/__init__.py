"""The scheduling of runs: by a timer on the controller, a timer on every host, or an automation controller.

`schedule_plan` determines the files of each machine, and `schedule_units` has the texts of the systemd units.
`host/schedule/` installs and removes the files on a machine. A host runs `host/programs/pulling/` by itself.
"""
