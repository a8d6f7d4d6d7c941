"""Program outside of the checkout, which a controller installs and runs before each scheduled run."""
