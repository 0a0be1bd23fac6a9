"""Live audio: from one sound device through an enhancer to another."""
