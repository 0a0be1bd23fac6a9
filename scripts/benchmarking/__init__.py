"""What ``python -m scripts.benchmark`` is made of."""
