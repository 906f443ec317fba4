"""The configs that ship, changed at random, as texts and as arguments of train.py; nothing in here reads them."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

from tests.reliability.hostile_files import hostile_values
from tests.test_train import ROOT

CONFIGS = sorted((ROOT / "conf").glob("*.yaml"))
FRAGMENTS = sorted((ROOT / "conf" / "trainer").glob("*.yaml"))
VALUE = re.compile(r"(?<=: )[^\s#{][^\n#]*")  # of a key, in its line

PYTHON_TAGS = (
    "!!python/object/apply:os.system ['touch FOLDER/marker']", "!!python/object/new:kinogan_payload.Thing {}",
    "!!python/name:os.system", "!!python/module:kinogan_payload", "!!binary /w==", "!!timestamp 2026-01-01",
    "!!set {a, b}", "!!omap [a: 1]", "!unknown 1", "!!float x", "!!int 0x", "! 1",
)  # fmt: skip
RESOLVERS = (
    *(value.replace("MARKER", "FOLDER/marker") for value in hostile_values().values()), "${a.b.c}", "${", "${model}",
    "${data.init_args}", "${.}", "${..size}", "${oc.nothing:1}", "${${seed_everything}}", "${model.init_args.seed}",
    "${oc.env:HOME,${oc.env:PATH}}", "${x:y,z}", "\\${a}", "${a:}",
)  # fmt: skip
CLASSES = (
    "os.system", "subprocess.Popen", "builtins.exec", "builtins.eval", "kinogan_payload.Thing", "antigravity.fly",
    "callbacks.stop_signals.os.system", "losses.kinogan_payload.Thing", "torch.load", "torch.hub.load", "losses",
    "torch.nn.Linear", "torch.nn..Linear", ".losses.wgan_gp", "losses.wgan_gp.", "losses.wgan_gp.WGANGP.mro", "a b",
    "networks.base.Generator", "torchmetrics.Metric", "pytorch_lightning.callbacks.Callback", "torch.nn.Module",
    "losses.wgan_gp.WGANGP()", "torch.utils.cpp_extension.load", "pytorch_lightning.loggers.csv_logs.os.system",
    "torch.optim.Adam", "tensor_files.x.y",
)  # fmt: skip
PATHS = (
    "../../../../etc/passwd", "/etc", "/dev/zero", "/proc/self/mem", "~", "~root/x", "a\x00b", "/" + "a" * 5000,
    "http://localhost:9/y", "file:///etc/passwd", "s3://a/b", "-", "--config", "con\nfig", "/dev/stdin", "*", "$HOME",
    "`touch FOLDER/marker`", "$(touch FOLDER/marker)",
)  # fmt: skip
NUMBERS = (
    "9" * 5000, "1e308", "1e400", "-1", "-9223372036854775809", "18446744073709551616", "1_000_000_000_000_000",
    "0x7fffffffffffff", "0o777777777777777777", "1:60:60:60", ".inf", "-.inf", ".nan", "1e-400", "0", "1" + "0" * 15,
    "true", "null", "1.5", "''",
)  # fmt: skip


def somewhere(text: str, random: Random, new: str) -> str:
    """A text with something in the place of the value of one of its keys."""
    places = [match.span() for match in VALUE.finditer(text)]
    if not places:
        return text + new
    start, end = random.choice(places)
    return text[:start] + new + text[end:]


def in_lines(text: str, random: Random, change: Callable[[list[str], int], None]) -> str:
    """A text of which the lines are changed at a random place."""
    lines = text.splitlines()
    if lines:
        change(lines, random.randrange(len(lines)))
    return "\n".join(lines) + "\n"


def with_character(text: str, random: Random, characters: str) -> str:
    """A text with another character at a random place, in place of one or beside it."""
    place = random.randrange(len(text) + 1)
    return text[:place] + random.choice(characters) + text[place + random.randrange(2) :]


def double(lines: list[str], place: int) -> None:
    """Say a line twice."""
    lines.insert(place, lines[place])


def indent(lines: list[str], place: int, by: str = "") -> None:
    """Move a line to the right, or its beginning away."""
    lines[place] = by + lines[place] if by else lines[place][1:]


def swap(lines: list[str], place: int) -> None:
    """Have a line change places with the one before."""
    lines[place], lines[place - 1] = lines[place - 1], lines[place]


def nest(text: str, random: Random) -> str:
    """Brackets in brackets."""
    depth = random.choice((10, 100, 1000, 20000))
    opening, closing = random.choice((("[", "]"), ("{a: ", "}"), ("- ", ""), ("[{a: ", "}]"), ("(", ")"), ("${", "}")))
    return somewhere(text, random, opening * depth + "1" + closing * depth)


def alias(text: str, random: Random) -> str:
    """Anchors and aliases: of nothing, of itself, of one that is there, of many."""
    bomb = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '1'] * 10)}]\n" for n in range(9))
    return random.choice((
        lambda: somewhere(text, random, "*nothing"), lambda: somewhere(text, random, "&self [*self]"),
        lambda: somewhere(text, random, "&adam 1"), lambda: somewhere(text, random, "*adam"),
        lambda: bomb + somewhere(text, random, "*b8"), lambda: text + "<<: *adam\n", lambda: text + "<<: [1]\n",
        lambda: "x: &x {<<: *x}\n" + text, lambda: somewhere(text, random, "{<<: 1}"),
    ))()  # fmt: skip


# By kind: what is done to the text of a config.  Lone surrogates become bytes that are no UTF-8.
MUTATIONS: dict[str, Callable[[str, Random], str]] = {
    "a character": lambda text, random: with_character(text, random, "".join(map(chr, range(32, 127))) + "\t\nä"),
    "a line swapped": lambda text, random: in_lines(text, random, swap),
    "a line deleted": lambda text, random: in_lines(text, random, lambda lines, place: lines.__delitem__(place)),
    "a line doubled": lambda text, random: in_lines(text, random, double),
    "a line indented": lambda text, random: in_lines(text, random, partial(indent, by=random.choice(("", "  ", "\t")))),
    "a tag": lambda text, random: somewhere(text, random, random.choice(PYTHON_TAGS)),
    "an alias": alias,
    "a resolver": lambda text, random: somewhere(text, random, random.choice(RESOLVERS)),
    "a target": lambda text, random: somewhere(text, random, f"{{_target_: {random.choice(CLASSES)}, _args_: [x]}}"),
    "a class": lambda text, random: somewhere(
        text, random, f"{{class_path: {random.choice(CLASSES)}, init_args: {{a: 1}}}}"
    ),
    "a class path": lambda text, random: re.sub(
        r"(?<=class_path: ).*", lambda old: random.choice((old[0], random.choice(CLASSES))), text
    ),
    "a path": lambda text, random: somewhere(text, random, random.choice(PATHS)),
    "a number": lambda text, random: somewhere(text, random, random.choice(NUMBERS)),
    "no text": lambda text, random: with_character(text, random, "\x00\x01\x1b\x7f\x85\u2028\ufeff\udc80\udcff\udcc3"),
    "cut off": lambda text, random: text[: random.randrange(len(text) + 1)],
    "nesting": nest,
}  # fmt: skip


# Those that need no more than a value; an override has no lines.
OF_VALUES = (
    "a character", "a tag", "an alias", "a resolver", "a target", "a class", "a path", "a number", "no text", "nesting",
)  # fmt: skip
KINDS = (*(f"file: {kind}" for kind in MUTATIONS), *(f"override: {kind}" for kind in OF_VALUES))


def mutant(random: Random, kind: str, folder: Path, settings: list[str]) -> list[str]:
    """Arguments of train.py with one config that is changed in that way, and sometimes in more; or with an override.

    Args:
        folder: the changed config is written there.
        settings: stand behind the configs, and before an override.
    """
    config = random.choice(CONFIGS)
    configs = [config, *(path for path in [ROOT / "conf" / "small" / config.name] if path.exists())]
    configs += random.sample(FRAGMENTS, random.randrange(2))
    where, _, what = kind.partition(": ")
    if where == "override":
        return [*given(configs), *settings, *override(random, what, config, folder)]
    victim = random.randrange(len(configs))
    text = configs[victim].read_text(encoding="utf-8")
    for each in (what, *random.choices([*MUTATIONS], k=random.choice((0, 0, 1, 3)))):
        text = MUTATIONS[each](text, random)
    configs[victim] = folder / "mutated.yaml"
    configs[victim].write_bytes(text.replace("FOLDER", str(folder)).encode("utf-8", errors="surrogateescape"))
    return [*given(configs), *settings]


def given(configs: list[Path]) -> list[str]:
    """Configs as arguments."""
    return [part for path in configs for part in ("--config", str(path))]


def override(random: Random, kind: str, config: Path, folder: Path) -> list[str]:
    """A key of a config, or nearly, with another value."""
    keys = [*dotted_keys(config), "data.root", "trainer.callbacks", "trainer.strategy", "trainer.plugins"]
    key = random.choice(keys)
    value = MUTATIONS[kind]("key: 12\n", random).removeprefix("key: ").rstrip("\n").replace("FOLDER", str(folder))
    if random.random() < 0.2:
        key = with_character(key, random, "._-+ x[]{}=$\x00")
    return random.choice(([f"--{key}={value}"], [f"--{key}", value], [f"{key}={value}"]))


def dotted_keys(config: Path) -> list[str]:
    """The keys of a config as a command line names them."""
    keys: list[str] = []
    way: list[str] = []
    for line in config.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"( *)(\w+):", line):
            way[len(match[1]) // 2 :] = [match[2]]
            keys.append(".".join(each for each in way if each not in ("init_args", "class_path")))
    return keys
