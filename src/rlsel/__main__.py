"""`python -m rlsel` is `rlsel`."""

import sys

from rlsel.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
