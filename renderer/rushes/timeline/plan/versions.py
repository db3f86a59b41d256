"""Fields that versions have added to plans and requests, and the oldest form of each document.

A field that a version adds is listed in ``ADDED`` with the value that renders as before. Older
documents get that value, and with it a plan equals one without the field, so that ids, content
hashes and save points survive an upgrade.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Added:
    """A field that a version has added.

    ``place`` is where it stands in a job document: names from the top joined by dots, where a list
    means each of its entries (``plan``, ``plan.chunks``, ``request``, ``request.plan`` for the
    options). ``default`` renders as documents without the field are rendered.
    """

    version: int  # of the plan, or of the job document where it is not in the plan
    place: str
    name: str
    default: Any

    @property
    def is_in_plan(self) -> bool:
        """Whether it is a field of the render plan or of a part of it."""
        return self.place.split(".")[0] == "plan"


ADDED: tuple[Added, ...] = (
    Added(2, "plan.chunks", "is_carried_over", False),
    Added(2, "plan", "noise", "torch-cpu"),
    Added(2, "plan", "noise_device", None),
    Added(2, "plan", "normalise_latents", None),
    Added(2, "request", "deinterlace", "auto"),
    Added(2, "request", "enlarge", 1),
    Added(2, "request", "threads", None),
    Added(2, "request.plan", "noise", None),
    Added(2, "request.plan", "noise_device", None),
    Added(2, "request.plan", "normalise_latents", None),
    Added(2, "plan.chunks", "given_file", None),
    Added(2, "plan", "context_bias", None),
    Added(2, "request.plan", "empty_bank", False),
    Added(2, "plan", "positions", None),
    Added(2, "request.plan", "positions", None),
)


def add_fields(fields: dict[str, Any], plan_version: int, version: int) -> None:
    """Give a job document, or an object with parts of one, the fields that are newer than it.

    ``plan_version`` and ``version`` are those that its plan and it were written in.
    """
    for added in ADDED:
        if (plan_version if added.is_in_plan else version) < added.version:
            for part in _parts(fields, added.place):
                part.setdefault(added.name, deepcopy(added.default))


def oldest_form(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job document, or an object with its ``plan`` or ``request``, in its oldest form.

    Added fields are left out where they have their defaults; the version of the plan is the oldest
    that can hold what remains.
    """
    form: dict[str, Any] = _with_own_parts(fields, _PLACES)
    version = 1
    for place, at_place in _by_place(ADDED).items():
        for part in _parts(form, place):
            for added in at_place:
                if added.name not in part:
                    continue
                if part[added.name] == added.default:
                    del part[added.name]
                elif added.is_in_plan:
                    version = max(version, added.version)
    for plan in _parts(form, "plan"):
        plan["schema_version"] = version
    return form


def _tree_of(places: Iterable[str]) -> dict[str, Any]:
    """Return places as a tree of names."""
    tree: dict[str, Any] = {}
    for place in places:
        branch = tree
        for name in place.split("."):
            branch = branch.setdefault(name, {})
    return tree


def _by_place(fields: Iterable[Added]) -> dict[str, list[Added]]:
    places: dict[str, list[Added]] = {}
    for added in fields:
        places.setdefault(added.place, []).append(added)
    return places


_PLACES = _tree_of(added.place for added in ADDED)


def _with_own_parts(value: Any, places: Mapping[str, Any]) -> Any:
    """Return a value whose objects at these places can be changed; all else is shared."""
    if isinstance(value, list):
        return [_with_own_parts(each, places) for each in value]
    if not isinstance(value, Mapping):
        return value
    own = dict(value)
    for name, below in places.items():
        if name in own:
            own[name] = _with_own_parts(own[name], below)
    return own


def _parts(fields: dict[str, Any], place: str) -> Iterator[dict[str, Any]]:
    """Yield the objects at a place; none where something else stands there."""
    found: list[Any] = [fields]
    for name in filter(None, place.split(".")):
        found = [each[name] for each in found if isinstance(each, dict) and name in each]
        found = [one for each in found for one in (each if isinstance(each, list) else [each])]
    yield from (each for each in found if isinstance(each, dict))
