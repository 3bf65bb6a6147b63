"""`python -m parley_sidecar`: the same as the command `parley`."""

import sys

from parley_sidecar.cli import main

sys.exit(main())
