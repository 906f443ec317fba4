"""YAML whose few lines mean a billion values is refused before anything walks through them."""

import yaml

MOST_VALUES = 100_000  # the largest of our configs means a few hundred


def refuse_alias_bomb(text: str) -> str:
    """The text, if what it means with every alias written out is of a size that a config has.

    Raises: yaml.YAMLError if it is larger, contains itself, or is no YAML.
    """
    if "&" in text and "*" in text:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None and (values := _size(root, {})) > MOST_VALUES:
            raise yaml.YAMLError(f"its aliases mean {values} values, and a config has {MOST_VALUES} at most")
    return text


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node means; each node is looked at once."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1  # for one that contains itself, which has no end
        parts = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]
