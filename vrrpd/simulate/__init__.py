"""A LAN, its hosts, its faults and virtual time around real engines.

Nothing here waits, and nothing is random but what `World`'s one seeded source says: the same scenario runs the same
way, byte for byte. What is to be true of a run is judged by the `Observer` that it is given.
"""
