"""All settings, with their defaults and bounds.

``lease_seconds`` is the variable ``RUSHES_LEASE_SECONDS`` and the key ``lease_seconds`` of a
configuration file; ``limits.max_pixels`` is ``RUSHES_LIMITS__MAX_PIXELS``.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Annotated, Any

from platformdirs import user_cache_path, user_data_path, user_state_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    StringConstraints,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from rushes.errors import ConfigError
from rushes.files.machine_folders import (
    Folder,
    default_cache_dir,
    default_models_dir,
    split_paths,
)
from rushes.presets.kinds import MOST_THREADS, GraphsChoice
from rushes_queue.archive.result_names import DEFAULT_TEMPLATE, check_template
from rushes_queue.broker.address import read_address
from rushes_queue.jobs.limits import Limits
from rushes_queue.jobs.queue_names import PRESET_PATTERN
from rushes_queue.storage.url import FolderPlace, parse_storage_url
from rushes_queue.text_fields import check_web_address

if TYPE_CHECKING:
    from rushes_queue.storage.storage import Storage

ENVIRONMENT_PREFIX = "RUSHES_"
NESTED_BY = "__"
LOCAL_FARM = "farm"  # folder below state_dir
MOST_ROWS = 64
SECRETS = ("broker_url", "notify")  # secret ones are never read from a configuration file


def _check_template(template: str) -> str:
    try:
        return check_template(template)
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _check_storage_url(url: str) -> str:
    try:
        place = parse_storage_url(url)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return str(place.folder) if isinstance(place, FolderPlace) and "://" not in url else url


def _check_broker_url(url: SecretStr) -> SecretStr:
    try:
        return SecretStr(read_address(url.get_secret_value()))
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _check_web_address(url: SecretStr) -> SecretStr:
    check_web_address(url.get_secret_value())
    return url


def _check_endpoint(url: str) -> str:
    _check_web_address(SecretStr(url))
    if "@" in url:
        raise ValueError(
            "takes no user or password; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return url


def _split_words(value: Any) -> Any:
    return (
        [word for word in re.split(r"[\s,]+", value) if word] if isinstance(value, str) else value
    )


def _split_command(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


BrokerUrl = Annotated[SecretStr, AfterValidator(_check_broker_url)]
NotifyUrl = Annotated[SecretStr, AfterValidator(_check_web_address)]


class Retries(BaseModel):
    """How often a job is tried again before it is given up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_losses: PositiveInt = 3  # at the same chunk, with more than one worker: then quarantined
    max_losses_in_a_row: PositiveInt = 3  # of one worker, which then pauses
    max_failures: PositiveInt = 5  # for want of memory or disk
    max_infrastructure_failures: PositiveInt = 20  # of broker, storage or GPU
    first_delay_seconds: PositiveFloat = 5.0  # before another try; doubled each time


class Deadlines(BaseModel):
    """How long a phase of an attempt may take, in seconds, before it counts as hung.

    ``times_usual`` times the duration of earlier attempts counts instead if it is longer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_seconds: PositiveFloat = 3600.0  # fetching the inputs
    load_seconds: PositiveFloat = 3600.0  # of the networks
    first_chunk_seconds: PositiveFloat = 1800.0
    chunk_seconds: PositiveFloat = 120.0  # after the first
    save_seconds: PositiveFloat = 1800.0  # of a save point
    join_seconds: PositiveFloat = 3600.0  # of the pieces of the video
    publish_seconds: PositiveFloat = 3600.0
    times_usual: PositiveFloat = 20.0


class Settings(BaseSettings):
    """The settings of one machine."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter=NESTED_BY,
    )

    broker_url: BrokerUrl = SecretStr("redis://localhost:6379/0")
    key_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] = "rushes:"
    storage_url: Annotated[str, AfterValidator(_check_storage_url)] = Field(
        default_factory=lambda: str(user_data_path("rushes") / "storage")
    )
    storage_patience_seconds: PositiveFloat = 60.0
    s3_endpoint: Annotated[str, AfterValidator(_check_endpoint)] | None = None
    s3_region: str | None = None
    preset: Annotated[str, StringConstraints(pattern=rf"^{PRESET_PATTERN}$")] | None = None
    models_dir: Folder = Field(default_factory=default_models_dir)
    cache_dir: Folder = Field(default_factory=default_cache_dir)
    work_dir: Folder = Field(default_factory=lambda: user_cache_path("rushes") / "work")
    state_dir: Folder = Field(default_factory=lambda: user_state_path("rushes"))
    lora_dir: Annotated[tuple[Folder, ...], NoDecode, BeforeValidator(split_paths)] = ()
    result_template: Annotated[str, AfterValidator(_check_template)] = DEFAULT_TEMPLATE
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] | None = None  # of a job, on a CPU
    graphs: GraphsChoice = "auto"  # of renders on this machine
    lease_seconds: Annotated[float, Field(ge=1, le=3600)] = 30.0
    visibility_seconds: PositiveInt = 3600  # after which the broker delivers a message again
    save_point_seconds: PositiveFloat = 60.0
    save_point_chunks: PositiveInt | None = None  # instead of by time
    worker_rows: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 1  # jobs that it renders at once
    notify: Annotated[tuple[NotifyUrl, ...], NoDecode, BeforeValidator(_split_words)] = ()
    notify_command: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_command)] = ()
    allow_private_webhooks: bool = False
    limits: Limits = Limits()
    retries: Retries = Retries()
    deadlines: Deadlines = Deadlines()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only what ``sources.read_settings`` has collected."""
        return (init_settings,)

    def open_storage(self) -> Storage:
        """Open the storage that these settings name."""
        from rushes_queue.storage.open import open_storage

        return open_storage(
            self.storage_url,
            s3_endpoint=self.s3_endpoint,
            s3_region=self.s3_region,
            patience_seconds=self.storage_patience_seconds,
        )
