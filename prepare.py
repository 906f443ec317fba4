"""Check videos and pack them for training, such as python prepare.py VIDEOS --output PACK."""

import sys

from preparing.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
