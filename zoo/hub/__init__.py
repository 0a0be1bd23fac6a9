"""The only code that touches the network: its client, a repository's index, the files behind weights."""
