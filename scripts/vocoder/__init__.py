"""A small vocoder of our own: a Vocos that learns from recordings, or from a synthesiser's speech."""
