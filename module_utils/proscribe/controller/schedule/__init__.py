"""How runs are scheduled: by a timer on the controller, a timer on every host, or an automation controller.

`values` reads the restrictions that say so, `planned` makes of them which files each machine has, `units` has the
texts. `pull` is the program that a host runs by itself; it imports nothing of the project, because it fetches the rest.
`timers` is the host's side: it installs the files, starts the timers, and removes all of it again.
"""
