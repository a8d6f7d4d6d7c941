"""Catalogue, restrictions and waivers become plans."""
