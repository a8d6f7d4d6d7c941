"""What every file and value of a user is read by."""
