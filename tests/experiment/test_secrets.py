from pathlib import Path

import pytest

from experiment.one_line import UserError
from experiment.secrets import known_secrets, refuse_secrets, refuse_secrets_in, without_secrets

SECRET = "canary-4f9a-secret"


@pytest.mark.parametrize(
    "name", ["WANDB_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "apikey", "OPENAI_KEY"]
)
def test_a_secret_of_the_environment_is_no_argument(name: str, tmp_path: Path) -> None:
    environment = {name: SECRET, "HOME": str(tmp_path)}
    refuse_secrets(["--run_name", "canary"], environment)
    for argument in (SECRET, f"--trainer.logger.project={SECRET}", f"https://user:{SECRET}@host/videos"):
        with pytest.raises(UserError, match=f"an argument has the value of {name} in it") as raised:
            refuse_secrets(["--data.root", argument], environment)
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize("form", ["--config={}", "{}"])
def test_a_secret_is_in_no_yaml(form: str, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(f"trainer: {{logger: {{init_args: {{name: {SECRET}}}}}}}")
    with pytest.raises(UserError, match=r"more.yaml has the value of HF_TOKEN in it"):
        refuse_secrets([form.format(tmp_path / "more.yaml")], {"HF_TOKEN": SECRET, "HOME": str(tmp_path)})


def test_a_secret_is_in_no_resolved_config_and_in_no_error(tmp_path: Path) -> None:
    environment = {"HF_TOKEN": SECRET, "HOME": str(tmp_path)}
    refuse_secrets_in("model: {}", environment)
    with pytest.raises(UserError, match="the config has the value of HF_TOKEN in it") as raised:
        refuse_secrets_in(f"data:\n  root: /{SECRET}/videos", environment)
    assert SECRET not in str(raised.value)
    assert without_secrets(f"no int: {SECRET}!", environment) == "no int: <HF_TOKEN>!"


def test_passwords_of_netrc_are_known(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai login user password {SECRET}\n")
    (tmp_path / ".netrc").chmod(0o600)
    ((_, value),) = known_secrets({"HOME": str(tmp_path)})
    assert value == SECRET


def test_what_is_no_secret(tmp_path: Path) -> None:
    environment = {"TOKENIZERS_PARALLELISM": "false", "TOKEN_FILE": "/home/user/videos", "EDITOR": SECRET}
    assert not list(known_secrets({**environment, "HOME": str(tmp_path)}))
