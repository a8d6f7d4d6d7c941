"""The compilation of plans from catalogue, restrictions and waivers."""
