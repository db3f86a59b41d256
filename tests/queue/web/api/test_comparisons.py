"""Results compared over HTTP as on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from farm.commands import Farm
from renders.shots import moving, timeline, write_clip, write_timeline
from web.serving import Serving


def _finish(farm: Farm, take: int, clip: Path) -> str:
    job = farm.submit(take)
    output = f"results/x/{job}.mp4"
    manifest = json.dumps({"seed": take, "frames_sha256": str(take), "plan": {"chunks": []}})
    contents = {output: clip.read_bytes(), f"{output}.json": manifest.encode()}
    farm.publish(farm.claim(), output, contents | {f"{output}.png": b"sheet"})
    return job


def test_two_results_are_compared_as_the_command_does(farm: Farm, web: Serving) -> None:
    clips = [write_clip(farm.folder / f"{seed}.mp4", moving(3, seed)) for seed in (1, 2)]
    jobs = [_finish(farm, take, clip) for take, clip in enumerate(clips)]
    answer = web.json("compare", job=jobs)
    for job in jobs:
        farm.run("fetch", job, "-o", farm.folder / "out")
    videos = [farm.folder / "out" / f"{job}.mp4" for job in jobs]
    printed = farm.json("compare", *videos)
    addresses = [f"/api/v1/fetch/{job}/{job}.mp4" for job in jobs]
    assert answer == printed | {"videos": addresses}
    assert web.json("compare", job=jobs) == answer
    assert {"seed"} <= {each["field"] for each in answer["differences"]}
    assert web.get("compare", job=jobs[:1]).status_code == 400


def test_a_result_is_measured_as_the_command_does(farm: Farm, web: Serving) -> None:
    clip = write_clip(farm.folder / "clip.mp4", moving(9))
    document = timeline(mode="video", ext={"inputs": [{"uri": "clip.mp4"}]})
    sent = web.sent(write_timeline(farm.folder / "shot.json", document), clip)
    (job,) = web.post("submit", sent | {"preset": "tiny", "priority": "high"}).json()["jobs"]
    result = write_clip(farm.folder / "result.mp4", moving(9, 3))
    output = f"results/x/{job['id']}.mp4"
    names = {output: result.read_bytes(), f"{output}.json": b"{}", f"{output}.png": b""}
    assert web.get(f"eval/{job['id']}").status_code == 409
    farm.publish(farm.claim(), output, names)
    printed = farm.json("eval", result, "--reference", clip)
    assert web.json(f"eval/{job['id']}") == printed
    assert web.json(f"eval/{job['id']}") == printed
