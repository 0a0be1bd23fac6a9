"""Entry points for a clone of the repository: ``python -m scripts.<name>``; none is installed."""
