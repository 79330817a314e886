"""Doubles of the venues and services that a live node talks to, all on 127.0.0.1."""
