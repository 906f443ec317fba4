"""Keys and passwords stay out of what a run writes: where one was given, nothing is begun."""

import netrc
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from experiment.one_line import UserError

SECRET_NAME = re.compile(
    r"APIKEY|_KEY(_|$)|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|(PRIVATE|ACCESS)KEY", re.IGNORECASE
)
LEAST_LENGTH = 8  # shorter values occur by chance


def refuse_secrets(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
    """See that no argument, and no YAML file that one names, has a secret that this machine knows in it.

    All that a config says goes into the run's folder, its checkpoints' neighbours, and to W&B.
    Raises: UserError that says where it stands and what it is called, not what it is.
    """
    secrets = dict(known_secrets(environment))
    for argument in arguments:
        path = Path(argument.partition("=")[2] or argument)
        content = _text_of(path) if path.suffix in (".yaml", ".yml") else ""
        for name, secret in secrets.items():
            if secret in argument:
                raise UserError(f"an argument has the value of {name} in it, which belongs into the environment alone")
            if secret in content:
                raise UserError(f"{path} has the value of {name} in it, which belongs into the environment alone")


def refuse_secrets_in(config: str, environment: Mapping[str, str] = os.environ) -> None:
    """See that a config, as it was put together from all its files, has no secret in it either.

    Raises: as `refuse_secrets`.
    """
    for name, secret in known_secrets(environment):
        if secret in config:
            raise UserError(f"the config has the value of {name} in it, which belongs into the environment alone")


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A text, such as an error that quotes a wrong value, to show on the screen."""
    for name, secret in known_secrets(environment):
        text = text.replace(secret, f"<{name}>")
    return text


def known_secrets(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the secret is called, and its value: variables whose name says so, passwords of .netrc."""
    for name, value in environment.items():
        if SECRET_NAME.search(name) and len(value) >= LEAST_LENGTH and not value.startswith("/"):  # a file is none
            yield name, value
    path = Path(environment.get("NETRC") or Path(environment.get("HOME", "/")) / ".netrc")
    try:
        hosts = netrc.netrc(path).hosts
    except (OSError, netrc.NetrcParseError):
        return
    for host, (_, _, password) in hosts.items():
        if password and len(password) >= LEAST_LENGTH:
            yield f"the password for {host} in {path}", password


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
