"""What a training shows: lines and bars, TensorBoard, trackers, the curve."""
