"""A portfolio of settings known to be good somewhere, raced on validation: what `train` does by default."""
