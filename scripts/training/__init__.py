"""What ``python -m scripts.train`` and ``scripts.evaluate`` are made of."""
