"""From written English to token ids: words, symbols and sentences."""
