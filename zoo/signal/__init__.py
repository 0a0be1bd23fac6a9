"""Audio files, resampling, windows and plots: NumPy only."""
