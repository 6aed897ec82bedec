"""`python -m kinetic_sandbox`."""

from __future__ import annotations

import sys

from kinetic_sandbox.cli import main

sys.exit(main())
