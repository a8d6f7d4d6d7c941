"""The scheduling of runs: by a timer on the controller, a timer on every host, or an automation controller.

`rendered` determines the files of each machine, and `units` has their texts. `host/schedule/` installs and removes them
on a machine. A host runs `host/programs/pulling/` by itself.
"""
