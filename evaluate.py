"""Score videos, such as python evaluate.py --real DATA --fake RUN --metrics fvd2048_16f,fid50k --output result.json."""

import sys

from evaluation.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
