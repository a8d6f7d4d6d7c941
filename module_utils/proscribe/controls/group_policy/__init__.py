"""Group Policy, the way by which machines in a Windows domain get their settings."""
