"""Vocoders: the record of the task, sessions, and what opens one by any of its names."""
