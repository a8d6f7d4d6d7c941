"""What a controller runs before each scheduled run: a program outside of the checkout, which it installs."""
