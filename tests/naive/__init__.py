"""Slow, obvious twins of the compiled kernels, in plain Python."""
