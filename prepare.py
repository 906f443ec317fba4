"""Check videos and pack them for training, such as python prepare.py VIDEOS --output PACK."""

import sys

try:
    from preparing.command_line import main
except KeyboardInterrupt:  # importing takes a second or more, and nothing has begun
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
