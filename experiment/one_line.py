"""A user's mistake in one line: the key, what was given, what is accepted, the nearest name."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from inspect import signature

from jsonargparse import ArgumentParser
from jsonargparse._util import import_object

# The union boilerplate around the one message that matters.
NOISE = re.compile(
    r"^(Does not validate against|Subtypes:|Errors:|Given value|Expected a <class 'NoneType'>|"
    r"Expected a path but .* either not accessible|$)"
)


LONGEST = 1000  # characters of a line that somebody reads


class UserError(Exception):
    """Something that the user can put right; its text is one line that says how.

    It may quote a value of any length, whose middle is left out.
    """

    def __str__(self) -> str:
        text = super().__str__()
        return text if len(text) <= LONGEST else f"{text[: LONGEST * 3 // 4]} ... {text[-LONGEST // 4 :]}"


def one_line(message: str, parser: ArgumentParser) -> str:
    """Condense a parser's message of many lines."""
    keys: list[str] = []
    class_path = ""
    leaves = []
    for raw in message.splitlines():
        line = raw.strip().removeprefix("- ").strip()
        if match := re.match(r'^(?:Parser key|Key) "([^"]+)":? ?(.*)$', line):
            keys.append(match[1])
            line = match[2]
        elif match := re.match(r"^Problem with given class_path '([^']+)':$", line):
            class_path = match[1]
            continue
        if not NOISE.match(line):
            leaves.append(line)
    text = "; ".join(dict.fromkeys(leaf.rstrip(".") for leaf in leaves)) or message.splitlines()[0]
    return ": ".join(filter(None, [".".join(keys), reworded(text, class_path, parser)]))


def reworded(text: str, class_path: str, parser: ArgumentParser) -> str:
    """Say which names are accepted where a name is not."""
    if match := re.search(r"Option '([^']+)' is not accepted", text):
        if inner := re.search(r"Namespace\(class_path='([^']+)'", text):  # of an optimizer, within the class above it
            class_path = inner[1]
        wrong = f"{class_path or 'a config'} has no argument {match[1]!r}"
        try:
            accepted = signature(import_object(class_path)).parameters if class_path else groups(parser)
        except ImportError:  # a class that no config may name, as which Lightning's own arguments are declared
            return wrong
        return f"{wrong}{nearest(match[1], accepted)}"
    if match := re.search(r"unrecognized arguments: (\S+)", text):
        accepted = [option for action in parser._actions for option in action.option_strings]
        name = match[1].split("=")[0]
        return f"{name} is not an option{nearest(name, accepted)}"
    if match := re.search(r"Importing '([^']+)' is not allowed", text):
        package = match[1].split(".")[0]
        return f"{match[1]} is not of a trusted package; if it is meant, add --allow_package {package}"
    return re.sub(r"<class '(?:builtins\.)?([^']+)'>", r"\1", text)


def groups(parser: ArgumentParser) -> list[str]:
    """The names that stand at the left margin of a config."""
    names = (option.lstrip("-").split(".")[0] for action in parser._actions for option in action.option_strings)
    return list(
        dict.fromkeys(name for name in names if len(name) > 1 and name not in ("help", "config", "print_config"))
    )


def nearest(name: str, accepted: Iterable[str]) -> str:
    """'; did you mean X?', or all that is accepted when nothing is near."""
    accepted = [each for each in accepted if each != "self"]
    close = get_close_matches(name, accepted, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; it takes {', '.join(accepted[:20])}"
