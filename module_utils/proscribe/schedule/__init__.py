"""How runs come about by themselves: a timer on the controller, a timer on every host, or an automation controller.

`values` reads the restrictions that say so, `planned` makes of them what has to stand on which machine, `units` has the
texts. `pull` is the program that a host runs by itself; it stands alone, because it is what brings the rest.
`timers` is the host's side: it puts the files in place, starts the timers, and takes all of it away again.
"""
