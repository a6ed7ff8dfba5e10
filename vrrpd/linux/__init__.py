"""Linux's bodies of `vrrpd.ports`: the only part of the daemon that knows sockets, netlink and processes."""
