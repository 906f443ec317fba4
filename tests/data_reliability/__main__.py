"""python -m tests.data_reliability --videos 2000 --reads 20000: damages videos, reads them, and says what was wrong.

changed  videos that are changed after they were indexed are each named once, and the batches are the same for one
         worker, for two, and for a run that stops half way and goes on
damaged  the same files, when they pass for good ones: decoders may fail, and nothing crashes or hangs
memory   it stays flat over many reads
"""

import argparse
import sys
import time
from pathlib import Path

from tests.data_reliability.proofs import Corpus, prove_changed, prove_damaged, prove_flat


def main(arguments: list[str]) -> int:
    """Exit code: 0 if all is as it should be, 1 if anything was not."""
    options = parser().parse_args(arguments)
    began = time.monotonic()
    corpus = Corpus(options.output, options.videos, options.seed)
    print(f"corpus: {len(corpus.videos)} videos, {len(corpus.changed)} of them changed", flush=True)
    problems = [
        *prove_changed(corpus, options.output),
        *prove_damaged(corpus, options.output),
        *prove_flat(corpus, options.reads),
    ]
    print("\n".join(problems) or "nothing was wrong", f"({time.monotonic() - began:.0f} s)")
    return 1 if problems else 0


def parser() -> argparse.ArgumentParser:
    """Every option, with its default."""
    result = argparse.ArgumentParser(
        prog="python -m tests.data_reliability", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    result.add_argument("--videos", type=int, default=2000, help="that are changed, among a third as many good ones")
    result.add_argument("--reads", type=int, default=20000, help="of clips, while memory is watched")
    result.add_argument("--seed", type=int, default=0, help="of everything that is random")
    result.add_argument("--output", type=Path, default=Path("runs/data_reliability"), help="is emptied, then written")
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
