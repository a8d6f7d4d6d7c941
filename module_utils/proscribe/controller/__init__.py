"""What runs on the controller only."""
