"""Artifact repositories: built, proved, and put on the Hub."""
