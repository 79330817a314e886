"""Direction probabilities from microstructure: features, labels, training, prediction."""
