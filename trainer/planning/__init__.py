"""What a training will do, decided and refused before TensorFlow is loaded: bounds, the plan, its memory."""
