"""The five pattern detectors and their contract. Pure."""
