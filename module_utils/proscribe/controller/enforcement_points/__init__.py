"""Exports of a decision for enforcement points that Ansible does not reach.

Such points are name servers, proxies, routers, Group Policy and MDM. The plan that hosts enforce is written in the form
that each point takes. A format is a module of `formats/` with the name of the format. Its `FORMAT` declares it, and
everything else derives from that. Controller only.
"""
