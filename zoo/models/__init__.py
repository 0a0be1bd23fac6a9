"""One folder a family: ``model.py`` (the network), ``__init__.py`` (SPECS, without torch), its card."""
