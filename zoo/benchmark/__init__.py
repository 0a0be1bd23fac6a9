"""Times graphs and networks: side by side, call by call, on audio."""
