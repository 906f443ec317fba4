"""YAML that a parser would choke on is refused before one walks through it; a config's file is named in a line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from experiment.one_line import UserError

MOST_VALUES = 100_000  # the largest of our configs means a few hundred
DEEPEST = 50  # levels; the deepest of our configs has ten


def read_yaml(text: str) -> Any:
    """What a YAML text says, in dicts, lists and plain values.

    Raises: yaml.YAMLError if it is none, or a value is not what its tag says, or it is larger than a config.
    """
    try:
        return yaml.safe_load(refuse_yaml_bomb(text))
    except ValueError as error:  # PyYAML's, for !!int of something else
        raise yaml.YAMLError(str(error)) from error
    except AttributeError as error:  # PyYAML's, for !!timestamp of something else
        raise yaml.YAMLError("a value is not what its tag, such as !!timestamp, says") from error


def refuse_yaml_bomb(text: str) -> str:
    """The text, if its depth, and what it means with every alias written out, are of a size that a config has.

    A few thousand brackets in each other end the process, not only the parser: its stack is not checked.
    Raises: yaml.YAMLError if it is larger, contains itself, or is no YAML.
    """
    if max(text.count("["), text.count("{"), text.count("- "), text.count(":")) > DEEPEST:
        _refuse_depth(text)
    if text.count("${") > DEEPEST:
        _refuse_references(text)
    if "&" in text and "*" in text:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None and (values := _size(root, {})) > MOST_VALUES:
            raise yaml.YAMLError(f"its aliases mean {values} values, and a config has {MOST_VALUES} at most")
    return text


def refuse_bombs(arguments: Sequence[str]) -> None:
    """See that no argument's value is too large or too deep; whether it is YAML at all, the parsers say.

    Their own reading is not enough: jsonargparse reads numbers and texts with a loader that no setting changes.
    Raises: UserError.
    """
    for argument in arguments:
        name, _, value = argument.partition("=") if "=" in argument else ("", "", argument)
        try:
            refuse_yaml_bomb(value)
        except (yaml.MarkedYAMLError, yaml.reader.ReaderError):
            continue
        except yaml.YAMLError as error:
            raise UserError(f"{name or ' '.join(value[:50].split())}: {error}") from error


def check_config_file(path: Path) -> None:
    """See that a file is text and YAML of keys and values; the parsers say what is wrong, and not where.

    Raises: UserError, one line with the file and, if it is known, the line.
    """
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config {path}: cannot be read, {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"--config {path}: is no text in UTF-8") from error
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        line = f", line {where.line + 1}" if where is not None else ""
        raise UserError(f"--config {path}{line}: {error.problem or 'is no YAML'}") from error
    except yaml.YAMLError as error:
        raise UserError(f"--config {path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) and content is not None:
        raise UserError(f"--config {path}: is no config, which has keys and values, such as seed_everything: 0")


def _refuse_depth(text: str) -> None:
    """Count levels without going down into them.

    Raises: yaml.YAMLError.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"its values lie more than {DEEPEST} levels deep in each other")


def _refuse_references(text: str) -> None:
    """Count levels of references in references, which OmegaConf takes minutes for.

    Raises: yaml.YAMLError.
    """
    depth = 0
    for token in re.findall(r"\$\{|\}", text):
        depth = depth + 1 if token == "${" else max(depth - 1, 0)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"its references lie more than {DEEPEST} levels deep in each other")


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node means; each node is looked at once."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1  # for one that contains itself, which has no end
        parts = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]
