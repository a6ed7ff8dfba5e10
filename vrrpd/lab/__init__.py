"""A network on one machine: nodes, a bridge with a tap on every port, HAProxy and a client, in namespaces.

`vrrpd lab` tells a story with it (`entry`, then `story` inside namespaces of its own); tests and benchmarks build
a `world.World` themselves, in a process that already has its own network and mount namespace.
Standard library only: here the daemon is a program like any other.
"""
