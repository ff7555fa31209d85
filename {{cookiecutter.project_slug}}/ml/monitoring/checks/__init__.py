"""What is checked in a window."""
