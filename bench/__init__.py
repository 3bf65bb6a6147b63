"""What Parley costs, measured beside what it could cost at least: `python -m bench`."""
