"""What a window's checks read."""
