"""Entry points for a clone of the project: ``python -m scripts.<name>``; none is installed."""
