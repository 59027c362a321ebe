"""Slow and obvious twins of the fast code; the fast code must give the same."""
