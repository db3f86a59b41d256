"""The errors that users see, each one line that says what, where and what to do.

An error is built from its message alone, so that it survives being sent to another process;
details travel as keyword attributes. ``exit_code`` is what the command line returns for it
(the full list of exit codes is in the command line).
"""

from __future__ import annotations


class RushesError(Exception):
    """Base of every error that is reported to the user as one line."""

    retryable = False
    exit_code = 1


class TimelineError(RushesError):
    """The timeline document is wrong."""

    exit_code = 3

    def __init__(self, message: str, *, path: str = "", field: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.field = field


class ConfigError(RushesError):
    """A setting, preset or flag is wrong."""

    exit_code = 3

    def __init__(self, message: str, *, path: str = "", field: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.field = field


class InputError(RushesError):
    """An input video cannot be used: not a video, truncated, empty, without pictures."""

    exit_code = 3


class MissingFileError(RushesError):
    """A file that the user named does not exist."""

    exit_code = 4


class ConflictError(RushesError):
    """The result would replace something that is already there."""

    exit_code = 6


class CheckpointError(RushesError):
    """Weights are missing, unexpected or have the wrong shape."""


class AdapterError(CheckpointError):
    """A LoRA file cannot be applied on any machine: it is damaged, or for another model."""

    exit_code = 3


class DownloadError(RushesError):
    """A download cannot be kept: no room for it, or not what its publisher says."""


class MemoryShortError(RushesError):
    """A GPU has too little memory for a render."""


class RenderProcessError(RushesError):
    """One of several processes that share a render died."""

    retryable = True


class ShapeError(RushesError):
    """A tensor or a resolution does not fit."""


class VideoError(RushesError):
    """A video could not be decoded to its end or could not be written."""


class WriteError(VideoError):
    """A file cannot be written; its cause is the error of the system."""


class TransientError(RushesError):
    """Broker, storage or GPU failed for now; trying again may help."""

    retryable = True
    exit_code = 75


class UnreachableError(TransientError):
    """The publisher of a file cannot be reached."""

    exit_code = 5
