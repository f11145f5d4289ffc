"""Files that run a server for exported versions: TensorFlow Serving by itself, under Compose and on Kubernetes."""
