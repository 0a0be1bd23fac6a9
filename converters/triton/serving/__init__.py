"""Files that ``converters.triton.repository`` puts into a model repository as they stand here."""
