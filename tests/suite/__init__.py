"""What `./proscribe test` is made of: the sizes of a run, what a change reaches, the parts, and how they are run."""
