"""Measurements: a module with `run() -> dict[str, float]`, and `BARS` for figures with a bar."""
