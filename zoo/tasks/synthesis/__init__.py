"""Text to speech: sessions, and the class that users call."""
