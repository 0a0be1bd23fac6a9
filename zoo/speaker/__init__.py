"""Speaker networks in PyTorch: their root, and a session over one."""
