"""What is exported: one module a task."""
