"""Several devices and processes: strategies, clusters, workers, parameter servers."""
