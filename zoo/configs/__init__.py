"""Configuration files of public training folders: one module a public repository, for all its families."""
