"""The proof of the core: scenarios by chance and by name, checkers, and faults planted to try the net itself."""
