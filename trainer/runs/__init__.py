"""Run directories: what is kept of a training, and how it resumes."""
