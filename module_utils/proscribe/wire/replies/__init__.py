"""What a host answers, on its way from bytes to data that the controller believes. Controller side.

A managed host may be in hostile hands, so an answer is data from a stranger: `leash` bounds how much of it comes in and
how long that takes, `parsing` makes JSON of it, `results` and `reply.record` let the keys through that they know, each
with the type, the length and the number that it may have. What is not in them never existed. Texts come out printable.
"""
