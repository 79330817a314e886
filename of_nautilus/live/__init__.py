"""Live trading: client factories and the node around them."""
