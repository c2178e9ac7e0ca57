"""``python -m naslib_gennas.cli``."""

import sys

from . import main

sys.exit(main())
