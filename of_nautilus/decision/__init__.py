"""Decisions: framing, score, lifecycle, risk. Pure."""
