"""What a host answers, on its way from bytes to data that the controller believes. Controller side.

A managed host may be in hostile hands, so its answer is untrusted. `output_limits` bounds how much of it comes in and
how long that takes. `parsing` makes JSON of it. `results` and `record` take the keys that they know, and ignore all
others. Each key has a type, and a length or number that it may have. Texts come out printable.
"""
