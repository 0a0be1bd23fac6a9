"""Speaker embeddings: sessions, scoring, and the class that users call."""
