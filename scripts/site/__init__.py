"""Makes the pages of the site that are not written by hand: see mkdocs.yml, and ``hooks`` for the order."""
