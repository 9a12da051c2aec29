"""The page that a browser gets at `/`: what this endpoint is, how to use it, what it serves, and how it is."""
