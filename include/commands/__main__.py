"""``python -m include.commands COMMAND [NAME=value ...]``: what the Makefile calls."""

from __future__ import annotations

import sys

from include.commands.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
