"""What takes long: `python -m tests.soak`."""
