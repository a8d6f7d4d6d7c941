"""Functions that refuse to work."""


def make_refusal(error):
    """Return a function that raises an error, whatever it is called with."""

    def refuse(*_, **__):
        raise error

    return refuse
