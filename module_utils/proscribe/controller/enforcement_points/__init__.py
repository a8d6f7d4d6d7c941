"""Exports of the policy for enforcement points that Ansible does not reach.

Such points are name servers, proxies, routers, Group Policy and MDM. An export has the plan that hosts enforce, written
in the form that the point takes. A format is a module of `formats/` with the name of the format. Its `FORMAT` declares
the format, and everything else derives from that. Controller only.
"""
