"""The folders of this machine, from the same sources as the settings of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.errors import ConfigError
from rushes.files.machine_folders import default_cache_dir, default_models_dir, machine_folders


def test_without_a_setting_they_are_the_users(tmp_path: Path) -> None:
    found = machine_folders({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)
    assert (found.models, found.cache, found.loras) == (
        default_models_dir(),
        default_cache_dir(),
        (),
    )


def test_a_variable_counts_more_than_the_projects_file_and_that_more_than_the_users(
    tmp_path: Path,
) -> None:
    user, project = tmp_path / "user", tmp_path / "project"
    (user / "rushes").mkdir(parents=True)
    project.mkdir()
    (user / "rushes" / "config.toml").write_text(
        'models_dir = "user"\ncache_dir = "user"\nlora_dir = ["user", "~/loras"]\n'
    )
    (project / "rushes.toml").write_text('models_dir = "project"\ncache_dir = "project"\n')
    environment = {"XDG_CONFIG_HOME": str(user), "RUSHES_MODELS_DIR": "/variable"}
    found = machine_folders(environment, project)
    assert found.models == Path("/variable")
    assert found.cache == project / "project"
    assert found.loras == (user / "rushes" / "user", Path.home() / "loras")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models_dir = 3", r"rushes\.toml: models_dir: "),
        ('cache_dir = ""', r"rushes\.toml: cache_dir: is empty"),
        ("models_dir", r"rushes\.toml: cannot be read"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rushes.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        machine_folders({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)
