"""Data in: one file a source format, one fast catalog writer."""
