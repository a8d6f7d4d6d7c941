"""The answers of hosts, on their way from bytes to data that the controller trusts. Controller side.

A managed host may be in hostile hands, so its answer is untrusted. `output_limits` bounds its size and its time.
`parsing` reads its JSON. `results` and `record` read known keys and ignore all others. Each key has a type, and a
maximum length or number in `model/types`, from which `typed_reader` makes its reader. Texts come out printable.
"""
