"""Into which format: one module a kind of file."""
