"""A file becomes a typed table, as the contract says."""
