"""What ``python -m scripts.train`` and ``scripts.prepare_corpus`` are made of."""
