"""What a host answers, on its way from bytes to data that the controller believes. Controller side.

A managed host may be in hostile hands, so its answer is untrusted. `output_limits` bounds how much of it comes
in and how long that takes. `parsing` makes JSON of it. `results` and `record` take the keys that they know, each with
the type, the length and the number that it may have, and ignore all others. Texts come out printable.
"""
