"""What becomes of each action when any of its native calls goes wrong: enumerated, run, and held to one rule."""
