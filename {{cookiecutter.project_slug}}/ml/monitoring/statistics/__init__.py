"""The tests behind the checks."""
