"""What models are for: one folder a task."""
