"""Score videos, such as python evaluate.py --real DATA --fake RUN --metrics fvd2048_16f,fid50k --output result.json."""

import sys
import warnings

from evaluation.command_line import main, warning_line

if __name__ == "__main__":
    warnings.formatwarning = warning_line
    sys.exit(main(sys.argv[1:]))
