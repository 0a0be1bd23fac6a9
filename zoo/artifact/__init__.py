"""What a finished artifact says of itself, and the proof that it computes what it should."""
