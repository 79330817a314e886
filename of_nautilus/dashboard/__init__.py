"""The dashboard: a server beside a node, and a replay of recorded markets. An optional extra."""
