"""Speech enhancement: sessions, streams, and the class that users call."""
