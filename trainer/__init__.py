"""Training: configuration, assembly of model and data, fit, evaluation, run directories."""
