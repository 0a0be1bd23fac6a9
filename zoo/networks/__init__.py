"""What a network of each task must do."""
