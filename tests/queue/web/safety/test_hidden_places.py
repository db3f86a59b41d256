"""No folder of this machine is named in an answer."""

from __future__ import annotations

import json

from rushes_queue.web.safety.hidden_places import HiddenPlaces

HIDDEN = HiddenPlaces(["/srv/farm/models", "/srv/farm", "/", "/tmp", '/srv/ä "b"/c'])


def test_folders_are_cut_and_names_are_left() -> None:
    assert HIDDEN.cut("/srv/farm/models/a.pt: is not here") == "a.pt: is not here"
    assert HIDDEN.cut("in /srv/farm: nothing") == "in …: nothing"
    assert HIDDEN.cut("/tmp/x and a/b stay") == "/tmp/x and a/b stay"


def test_they_are_cut_out_of_json_as_well() -> None:
    for is_ascii in (True, False):
        text = json.dumps({"file": '/srv/ä "b"/c/x.mp4'}, ensure_ascii=is_ascii)
        assert json.loads(HIDDEN.cut(text)) == {"file": "x.mp4"}
