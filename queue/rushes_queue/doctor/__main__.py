"""Run the checks of one subject and print each finding as a line of JSON, as soon as it is known.

With ``python -m rushes_queue.doctor MODULE``; the settings are those of this process.
"""

from __future__ import annotations

import importlib
import os
import sys

from rushes.errors import RushesError
from rushes_queue.doctor.finding import Check, Finding, fault
from rushes_queue.local.machine_settings import read_settings
from rushes_queue.settings.loaded import LoadedSettings


def main() -> None:
    """Run the checks of the subject that the command line names."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print would spoil the answers
    checks: tuple[Check, ...] = importlib.import_module(sys.argv[1]).CHECKS
    settings = read_settings()
    for check in checks:
        for finding in _run(check, settings):
            print(finding.to_json(), file=answers, flush=True)


def _run(check: Check, settings: LoadedSettings) -> list[Finding]:
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        return list(check(settings))
    except RushesError as error:
        return [fault(name, str(error), "")]
    except Exception as error:  # whatever it is, the other checks are to run
        message = f"{type(error).__name__}: {error}"
        return [fault(name, message, "this check itself failed; please report it")]


if __name__ == "__main__":
    main()
