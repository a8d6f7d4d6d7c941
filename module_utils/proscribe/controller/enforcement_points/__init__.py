"""One decision, for the points that Ansible does not reach: name servers, proxies, routers, Group Policy, MDM.

The plan that hosts enforce is written in the form that each of them takes. A format is a module of `formats/`, called
as the format is, whose `FORMAT` declares it; everything else follows from that. Controller only.
"""
