"""Layers of configs: a later file changes what it names and leaves the rest."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from jsonargparse import ActionConfigFile, Namespace


class ConfigLayer(ActionConfigFile):
    """`--config FILE` over those before it; mappings of objects keep the entries that the file does not name.

    jsonargparse lays a file's values over those of earlier ones, but puts its mappings in their place: a file that
    changes the weight of one of an objective's terms would drop the other terms without a word.
    """

    def __call__(self, parser: ArgumentParser, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """See the class."""
        before = cfg.clone()
        super().__call__(parser, cfg, values, option_string)
        keep_entries(before, cfg)


def keep_entries(before: Any, after: Any) -> None:
    """Put back into the mappings of `after` what those of `before` have besides; not where an object's class changed.

    Args:
        before: a config, or a part of it.
        after: the same with another file laid over it; it is changed.
    """
    old, new = _content(before), _content(after)
    if old is None or new is None or old.get("class_path") != new.get("class_path"):
        return
    for name in old.keys() & new.keys():
        keep_entries(old[name], new[name])
    if isinstance(after, dict) and "class_path" not in after:
        after.update({name: value for name, value in old.items() if name not in after})


def _content(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, Namespace):
        return vars(value)
    return value if isinstance(value, dict) else None
