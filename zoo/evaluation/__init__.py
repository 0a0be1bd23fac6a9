"""Measures enhanced speech: figures, pairs of noisy and clean recordings, and rows side by side."""
