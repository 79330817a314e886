"""Nautilus indicator twins of `core`, one concept a file."""
