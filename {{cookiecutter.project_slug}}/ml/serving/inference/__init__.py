"""From valid rows to recorded answers."""
