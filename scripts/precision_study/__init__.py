"""What graphs in reduced precision gain and lose: they are made, timed, heard, and judged."""
