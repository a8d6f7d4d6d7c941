"""Code that runs only on the controller."""
