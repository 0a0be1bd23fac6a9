"""From written English to token ids: what is said in words, the symbols that a network knows, and sentences."""
