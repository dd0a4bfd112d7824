"""``python -m turnkeeper_trio.stores.sqlite check|backup|prune|export FILE``."""

import sys

from turnkeeper_trio.stores.sqlite._tool import main

if __name__ == "__main__":
    sys.exit(main())
