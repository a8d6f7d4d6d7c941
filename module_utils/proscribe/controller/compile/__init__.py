"""The compiling side, on the controller only: catalogue, restrictions and waivers become plans."""
