"""Runs finished artifacts; nothing in it imports torch or the networks."""
