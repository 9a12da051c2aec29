"""A reader who types what the pages say: every command of every page, in order, in a fresh clone or with a wheel."""
