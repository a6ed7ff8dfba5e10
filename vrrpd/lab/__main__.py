"""`python -m vrrpd.lab` is `vrrpd lab`."""

import sys

from vrrpd.lab.entry import main

sys.exit(main(sys.argv[1:]))
