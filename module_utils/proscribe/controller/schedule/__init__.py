"""How runs are scheduled: by a timer on the controller, a timer on every host, or an automation controller.

`rendered` says which files each machine has, and `units` has their texts. `host/schedule/` installs and removes them on
a machine, and `host/programs/pulling/` is what a host runs by itself.
"""
