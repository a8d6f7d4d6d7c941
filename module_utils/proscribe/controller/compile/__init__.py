"""The compilation, on the controller only: catalogue, restrictions and waivers become plans."""
