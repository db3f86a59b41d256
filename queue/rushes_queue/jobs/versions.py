"""Documents of older schema versions, brought to today's.

A new field of the job document or its plan raises the version of that document, once a release, and
stands in ``rushes.timeline.plan.versions.ADDED`` with the value that older documents get. Other
changes are functions here: ``{1: upgrade_1_to_2}``. ``tests/data/documents`` keeps documents of
every version, and ``fields.json`` there the fields of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from rushes.timeline.plan.render_plan import SCHEMA_VERSION as PLAN_VERSION
from rushes.timeline.plan.versions import add_fields

Upgrade = Callable[[Mapping[str, Any]], Mapping[str, Any]]

JOB_VERSION: Final = 2
JOB_UPGRADES: Mapping[int, Upgrade] = {}  # from this version to the next
PLAN_UPGRADES: Mapping[int, Upgrade] = {}


def upgrade(
    fields: Mapping[str, Any], upgrades: Mapping[int, Upgrade], newest: int
) -> dict[str, Any]:
    """Return the fields as the newest version has them; those given stay as they are.

    A version without an entry in ``upgrades`` has only added the fields in ``ADDED``.
    Raises: ValueError when the version is not a number from 1 to the newest.
    """
    version = fields.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= newest:
        raise ValueError(f"schema_version is {version!r}, not a number from 1 to {newest}")
    for before in range(version, newest):
        fields = {**upgrades.get(before, dict)(fields), "schema_version": before + 1}
    return dict(fields)


def upgrade_job(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a job document, and of its plan, as today's version has them.

    Raises: ValueError.
    """
    plan = fields.get("plan")
    if isinstance(plan, Mapping) and _is_todays(fields, plan):
        return dict(fields)
    job = upgrade(deepcopy(dict(fields)), JOB_UPGRADES, JOB_VERSION)
    plan_version = PLAN_VERSION
    if isinstance(plan, Mapping):
        job["plan"] = upgrade(job["plan"], PLAN_UPGRADES, PLAN_VERSION)
        plan_version = plan["schema_version"]
    add_fields(job, plan_version, fields["schema_version"])
    return job


def _is_todays(fields: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    """Say whether there is nothing to upgrade: a plan may be large, and need not be copied."""
    versions = (fields.get("schema_version"), plan.get("schema_version"))
    return versions == (JOB_VERSION, PLAN_VERSION) and all(type(each) is int for each in versions)


def newer_version(fields: Mapping[str, Any]) -> int | None:
    """Return the version of a document, or else of its plan, if it is newer than what is read."""
    plan = fields.get("plan")
    plan_version = plan.get("schema_version") if isinstance(plan, Mapping) else None
    for version, newest in (
        (fields.get("schema_version"), JOB_VERSION),
        (plan_version, PLAN_VERSION),
    ):
        if isinstance(version, int) and version > newest:
            return version
    return None
