"""Files that ``converters.triton`` puts into a model repository as they stand here."""
