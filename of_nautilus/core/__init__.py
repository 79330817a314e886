"""Core: pure order-flow computation, one concept a file. Imports nothing of the package."""
