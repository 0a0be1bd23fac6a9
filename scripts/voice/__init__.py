"""A small voice of our own: a FastSpeech that learns from a free synthesiser."""
