"""Where a person's table comes from and how it is written."""
