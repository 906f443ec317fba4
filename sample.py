"""Make videos from a run, or publish its generator, such as python sample.py runs/wgan_gp/<time> --output videos."""

import sys

from sampling.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
