"""Timeline files 1.0, 2.0 and 2.1: what is accepted, and every fault with its path."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rushes.errors import MissingFileError, TimelineError
from rushes.timeline.document import Prompt, Timeline
from rushes.timeline.read.load import LoadedTimeline, load_timeline, parse_timeline


def block(start: Any, end: Any, text: Any = "a paper boat", **more: Any) -> dict[str, Any]:
    prompts = [{"text": text, "weight": 100}]
    return {"startTime": start, "endTime": end, "prompts": prompts} | more


def document(*blocks: Any, **settings: Any) -> dict[str, Any]:
    blocks = blocks or (block(0, 4),)
    return {"prompts": list(blocks), "settings": settings, "version": "2.1"}


def load(data: Any, **options: Any) -> LoadedTimeline:
    return parse_timeline(json.dumps(data), **options)


def accepted(data: Any, **options: Any) -> Timeline:
    return load(data, **options).require()


def found(loaded: LoadedTimeline, severity: str) -> list[str]:
    return [problem.path for problem in loaded.problems if problem.severity == severity]


def messages(loaded: LoadedTimeline, severity: str) -> list[str]:
    return [str(problem) for problem in loaded.problems if problem.severity == severity]


def test_a_plain_timeline_is_read_without_a_remark() -> None:
    data = document(
        block(0, 4.9427999999523164),
        block(4.9427999999523164, 8, transitionSteps=4, temporalInterpolationMethod="linear"),
        pipelineId="streamdiffusionv2",
        inputMode="video",
        resolution={"height": 480, "width": 832},
        seed=7,
        denoisingSteps=[700, 500],
        noiseScale=0.8,
        noiseController=False,
        manageCache=False,
        quantization="fp8_e4m3fn",
        kvCacheAttentionBias=1,
        loras=[],
        loraMergeStrategy="permanent_merge",
    ) | {"exportedAt": "2026-01-15T12:00:00.000Z"}
    loaded = load(data)
    timeline = loaded.require()
    assert loaded.problems == ()
    assert [(b.start, b.end) for b in timeline.blocks] == [(0, 4942800), (4942800, 8000000)]
    assert timeline.blocks[1].transition_steps == 4
    assert timeline.blocks[1].transition_method == "linear"
    settings = timeline.settings
    assert (settings.height, settings.width, settings.seed) == (480, 832, 7)
    assert (settings.denoising_steps, settings.noise_scale) == ((700, 500), 0.8)
    assert (settings.noise_controller, settings.manage_cache) == (False, False)
    assert settings.quantization == "fp8_e4m3fn"


def test_settings_may_be_absent() -> None:
    timeline = accepted({"prompts": [block(0, 4)], "version": "1.0"})
    assert timeline.settings.seed is None


def test_times_are_rounded_to_microseconds_half_to_even() -> None:
    timeline = accepted(document(block(0, 1.0000005), block(1.0000005, 2.0000015)))
    assert [b.end for b in timeline.blocks] == [1000000, 2000002]


class TestPrompts:
    def test_a_block_without_a_list_takes_its_label_as_prompt(self) -> None:
        data = {"prompts": [{"startTime": 0, "endTime": 1, "text": "boat"}], "version": "1.0"}
        assert accepted(data).blocks[0].prompts == (Prompt("boat", 100.0),)

    def test_text_is_kept_to_the_last_newline(self) -> None:
        assert accepted(document(block(0, 1, "boat\n"))).blocks[0].prompts[0].text == "boat\n"

    def test_an_absent_weight_is_one_and_an_absent_text_empty(self) -> None:
        prompts = [{"text": "boat"}, {"weight": 2}]
        timeline = accepted(document(block(0, 1) | {"prompts": prompts}))
        assert timeline.blocks[0].prompts == (Prompt("boat", 1.0), Prompt("", 2.0))

    @pytest.mark.parametrize(
        "change",
        [{"prompts": []}, {"prompts": None}, {"prompts": [{"text": " \n"}]}, {"prompts": [{}]}],
        ids=["empty", "null", "blank", "no text"],
    )
    def test_a_block_without_text_is_refused(self, change: dict[str, Any]) -> None:
        assert found(load(document(block(0, 1) | change)), "error") == ["prompts[0]"]

    def test_a_text_lost_by_an_old_exporter_is_explained(self) -> None:
        data = {"prompts": [{"startTime": 0, "endTime": 1}], "version": "1.0"}
        assert "never held the text" in messages(load(data), "error")[0]

    @pytest.mark.parametrize(
        ("prompts", "path"),
        [
            (["boat"], "prompts[0].prompts[0]"),
            ([None], "prompts[0].prompts[0]"),
            ([{"text": 3}], "prompts[0].prompts[0].text"),
            ([{"text": "a", "weight": -1}], "prompts[0].prompts[0].weight"),
            ([{"text": "a", "weight": "1"}], "prompts[0].prompts[0].weight"),
            ([{"text": "a", "weight": 1e9}], "prompts[0].prompts[0].weight"),
            ([{"text": "a"}] * 51, "prompts[0].prompts"),
            ("boat", "prompts[0].prompts"),
        ],
        ids=str,
    )
    def test_a_wrong_prompt_is_refused(self, prompts: Any, path: str) -> None:
        assert found(load(document(block(0, 1) | {"prompts": prompts})), "error") == [path]

    def test_weights_of_zero_only_are_warned_of(self) -> None:
        prompts = [{"text": "a", "weight": 0}, {"text": "b", "weight": 0}]
        loaded = load(document(block(0, 1) | {"prompts": prompts}))
        assert loaded.ok
        assert found(loaded, "warning") == ["prompts[0].prompts"]

    def test_a_zero_beside_a_positive_weight_is_fine(self) -> None:
        prompts = [{"text": "a", "weight": 0}, {"text": "b", "weight": 1}]
        assert load(document(block(0, 1) | {"prompts": prompts})).problems == ()

    def test_more_than_four_prompts_are_noted(self) -> None:
        loaded = load(document(block(0, 1) | {"prompts": [{"text": "a"}] * 5}))
        assert found(loaded, "note") == ["prompts[0].prompts"]


class TestTimes:
    @pytest.mark.parametrize("value", ["0", True, [], 1e300], ids=str)
    def test_a_time_must_be_a_usable_number(self, value: Any) -> None:
        assert found(load(document(block(value, 4))), "error") == ["prompts[0].startTime"]

    def test_a_missing_time_is_an_error(self) -> None:
        data = document({"endTime": 1, "prompts": [{"text": "a"}]})
        assert found(load(data), "error") == ["prompts[0].startTime"]

    def test_an_end_before_the_start_is_an_error(self) -> None:
        loaded = load(document(block(0, 1), block(8, 5)))
        assert found(loaded, "error") == ["prompts[1].endTime"]

    def test_a_block_without_length_is_dropped_with_a_note_whatever_it_holds(self) -> None:
        loaded = load(document(block(0, 1), {"startTime": 1, "endTime": 1, "isLive": True}))
        assert [b.index for b in loaded.require().blocks] == [0]
        assert found(loaded, "note") == ["prompts[1]"]

    def test_a_block_that_begins_before_zero_is_cut(self) -> None:
        loaded = load(document(block(-3, 0), block(-1, 4)))
        assert [(b.index, b.start) for b in loaded.require().blocks] == [(1, 0)]
        assert found(loaded, "warning") == ["prompts[0]", "prompts[1].startTime"]

    def test_a_timeline_of_which_nothing_is_left_is_refused(self) -> None:
        assert found(load(document(block(-2, -1))), "error") == ["prompts"]

    def test_blocks_out_of_order_are_warned_of(self) -> None:
        assert found(load(document(block(4, 8), block(0, 4))), "warning") == [
            "prompts[1].startTime"
        ]

    def test_an_overlap_is_warned_of_at_the_later_block(self) -> None:
        loaded = load(document(block(0, 6), block(4, 10), block(5, 7)))
        assert found(loaded, "warning") == ["prompts[1].startTime", "prompts[2].startTime"]

    def test_a_gap_is_noted_with_the_block_that_holds_on(self) -> None:
        loaded = load(document(block(0, 4), block(6.5, 10)))
        assert "gap 4 s … 6.5 s, the prompts of block 0 hold" in messages(loaded, "note")[0]

    def test_a_late_start_is_noted(self) -> None:
        assert "hold from the start" in messages(load(document(block(1, 4))), "note")[0]


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "path"),
        [
            ({"seed": -1}, "seed"),
            ({"seed": 2**63}, "seed"),
            ({"seed": 1.5}, "seed"),
            ({"seed": "7"}, "seed"),
            ({"noiseScale": 1.01}, "noiseScale"),
            ({"noiseScale": "0.8"}, "noiseScale"),
            ({"manageCache": "yes"}, "manageCache"),
            ({"noiseController": 1}, "noiseController"),
            ({"inputMode": "image"}, "inputMode"),
            ({"quantization": "int4"}, "quantization"),
            ({"denoisingSteps": []}, "denoisingSteps"),
            ({"denoisingSteps": [0, 0]}, "denoisingSteps"),
            ({"denoisingSteps": [500, 700]}, "denoisingSteps"),
            ({"denoisingSteps": [1001]}, "denoisingSteps"),
            ({"denoisingSteps": [700, 500.5]}, "denoisingSteps"),
            ({"denoisingSteps": 700}, "denoisingSteps"),
            ({"resolution": {"height": 512}}, "resolution"),
            ({"resolution": {"height": 40, "width": 512}}, "resolution.height"),
            ({"resolution": {"height": 512, "width": 2064}}, "resolution.width"),
            ({"resolution": [512, 512]}, "resolution"),
            ({"pipelineId": "streamdiffusion-v9"}, "pipelineId"),
            ({"kvCacheAttentionBias": 2}, "kvCacheAttentionBias"),
            ({"loras": [{"scale": 1}]}, "loras[0].path"),
            ({"loras": [{"path": "/x/a.safetensors", "scale": 11}]}, "loras[0].scale"),
            ({"loras": ["a.safetensors"]}, "loras[0]"),
            ({"loraMergeStrategy": "both"}, "loraMergeStrategy"),
            ({"schemaFieldOverrides": {"base_seed": -5}}, "schemaFieldOverrides.base_seed"),
            ({"schemaFieldOverrides": {"vae_type": "big"}}, "schemaFieldOverrides.vae_type"),
            ({"vaceContextScale": 3}, "vaceContextScale"),
        ],
        ids=str,
    )
    def test_a_wrong_setting_is_refused_with_its_path(
        self, settings: dict[str, Any], path: str
    ) -> None:
        assert found(load(document(**settings)), "error") == [f"settings.{path}"]

    def test_zeros_at_the_end_of_the_steps_are_dropped_with_a_note(self) -> None:
        loaded = load(document(denoisingSteps=[700, 500, 0]))
        assert loaded.require().settings.denoising_steps == (700, 500)
        assert found(loaded, "note") == ["settings.denoisingSteps"]

    def test_an_integer_may_be_written_with_a_point(self) -> None:
        data = (
            '{"prompts": [{"startTime": 0, "endTime": 1, "text": "a"}], "settings": {"seed": 7.0}}'
        )
        assert parse_timeline(data).require().settings.seed == 7

    @pytest.mark.parametrize(
        ("size", "rounded"),
        [((500, 1000), (496, 1008)), ((504, 56), (512, 64)), ((2047, 64), (2048, 64))],
        ids=str,
    )
    def test_a_size_is_rounded_to_multiples_of_sixteen_with_a_warning(
        self, size: tuple[int, int], rounded: tuple[int, int]
    ) -> None:
        loaded = load(document(resolution={"height": size[0], "width": size[1]}))
        settings = loaded.require().settings
        assert (settings.height, settings.width) == rounded
        assert found(loaded, "warning") == ["settings.resolution"]

    def test_a_size_to_be_rounded_is_an_error_when_strict(self) -> None:
        data = document(resolution={"height": 500, "width": 1000})
        assert found(load(data, strict=True), "error") == ["settings.resolution"]

    def test_overrides_win_over_settings_but_not_over_the_size(self) -> None:
        overrides = {"base_seed": 0, "vae_type": "tae", "manage_cache": False, "height": 256}
        data = document(
            seed=7,
            manageCache=True,
            resolution={"height": 512, "width": 512},
            schemaFieldOverrides=overrides,
        )
        loaded = load(data)
        settings = loaded.require().settings
        assert (settings.seed, settings.vae_type, settings.manage_cache) == (0, "tae", False)
        assert settings.height == 512
        assert found(loaded, "note") == ["settings.schemaFieldOverrides.height"]

    def test_a_seed_beyond_a_browsers_integers_is_noted(self) -> None:
        assert found(load(document(seed=2**53)), "note") == ["settings.seed"]

    def test_the_short_lived_fp8_switch_is_understood(self) -> None:
        assert accepted(document(useFp8E4m3fn=True)).settings.quantization == "fp8_e4m3fn"

    @pytest.mark.parametrize("key", ["kvCacheAttentionBias", "negativeAttentionBias"])
    def test_an_attention_bias_is_warned_of_as_without_effect(self, key: str) -> None:
        assert found(load(document(**{key: 0.3})), "warning") == [f"settings.{key}"]

    def test_another_architecture_is_refused(self) -> None:
        with pytest.raises(TimelineError, match="another architecture, not a Wan model"):
            load(document(pipelineId="ltx2")).require()

    @pytest.mark.parametrize("key", ["kvCacheAttentionBias", "negativeAttentionBias"])
    def test_the_bias_of_a_model_that_has_one_is_read(self, key: str) -> None:
        loaded = load(document(pipelineId="krea-realtime-video", **{key: 0.4}))
        assert not found(loaded, "warning")
        assert loaded.require().settings.attention_bias == 0.4

    def test_another_pipeline_is_rendered_when_told_so(self) -> None:
        loaded = load(document(pipelineId="longlive"), pipeline="streamdiffusionv2")
        assert loaded.require()
        assert found(loaded, "warning") == ["settings.pipelineId"]

    @pytest.mark.parametrize(
        "settings",
        [
            {"preprocessorIds": ["depth"]},
            {"postprocessorIds": ["upscale"]},
            {"lastFrameImage": "C:\\pictures\\a.png"},
            {"vace_video_path": "/home/ann/a.mp4"},
            {"schemaFieldOverrides": {"vace_ref_images": ["a.png"]}},
            {"controlImage": "a.png"},
            {"inputImages": [{"file": "a.webp"}]},
            {"ipAdapterScale": 0.5},
            {"refImages": ["a.png"]},
            {"firstFrameImage": "a.png"},
        ],
        ids=str,
    )
    def test_what_steers_and_is_not_understood_or_at_hand_is_an_error(
        self, settings: dict[str, Any]
    ) -> None:
        loaded = load(document(**settings))
        assert len(found(loaded, "error")) == 1
        assert not loaded.ok

    def test_more_frames_in_between_are_left_out_with_a_warning(self) -> None:
        loaded = load(document(postprocessorIds=["rife"]))
        assert found(loaded, "warning") == ["settings.postprocessorIds"]

    @pytest.mark.parametrize(
        "settings",
        [{"somethingNew": 5}, {"videoBitrate": 9000}, {"frameRate": "24"}, {"imageFit": "cover"}],
        ids=str,
    )
    def test_unknown_keys_that_cannot_steer_stay_notes(self, settings: dict[str, Any]) -> None:
        assert load(document(**settings)).ok

    def test_a_passthrough_stage_is_harmless(self) -> None:
        assert load(document(preprocessorIds=["passthrough"], refImages=[])).problems == ()

    @pytest.mark.parametrize("steps", [-1, 1.5, "4"])
    def test_transition_steps_must_be_a_count(self, steps: Any) -> None:
        loaded = load(document(block(0, 1, transitionSteps=steps)))
        assert found(loaded, "error") == ["prompts[0].transitionSteps"]

    def test_many_transition_steps_are_warned_of(self) -> None:
        loaded = load(document(block(0, 1, transitionSteps=17)))
        assert found(loaded, "warning") == ["prompts[0].transitionSteps"]

    def test_an_unknown_interpolation_is_refused(self) -> None:
        loaded = load(document(block(0, 1, temporalInterpolationMethod="cubic")))
        assert found(loaded, "error") == ["prompts[0].temporalInterpolationMethod"]


class TestKindsAndVersions:
    @pytest.mark.parametrize("version", ["1.0", "2.0", "2.1"])
    def test_known_versions_are_read(self, version: str) -> None:
        assert load(document() | {"version": version}).problems == ()

    @pytest.mark.parametrize(
        ("version", "severity"),
        [(None, "note"), ("2.9", "warning"), ("3.0", "error"), ("new", "error"), (2.1, "error")],
        ids=str,
    )
    def test_other_versions_are_remarked_on(self, version: Any, severity: str) -> None:
        assert found(load(document() | {"version": version}), severity) == ["version"]

    @pytest.mark.parametrize("version", ["3.0", "new", 2.1], ids=str)
    def test_a_flag_allows_other_versions(self, version: Any) -> None:
        loaded = load(document() | {"version": version}, allow_version=True)
        assert found(loaded, "warning") == ["version"]

    @pytest.mark.parametrize("data", [[], 3, None, "x", {}, {"format": "other"}], ids=str)
    def test_a_document_of_no_kind_is_told_both_kinds(self, data: Any) -> None:
        assert re.search(r"timeline .* workflow", messages(load(data), "error")[0])

    @pytest.mark.parametrize(
        "data", [{"prompts": {"0": "boat"}}, {"prompt_map": {"0": "boat"}}, {"0": "boat"}], ids=str
    )
    def test_a_prompt_map_is_sent_to_the_converter(self, data: Any) -> None:
        loaded = load(data)
        assert "rushes convert" in messages(loaded, "error")[0]
        assert len(found(loaded, "error")) == 1

    def test_an_empty_timeline_is_refused(self) -> None:
        assert found(load({"prompts": [], "version": "2.1"}), "error") == ["prompts"]


class TestUnknownKeys:
    def data(self) -> dict[str, Any]:
        data = document(block(0, 1, speed=2), fog=True)
        data["prompts"][0]["prompts"][0]["mood"] = "calm"
        return data | {"later": 1}

    def test_they_are_listed_once_in_a_note(self) -> None:
        loaded = load(self.data())
        assert loaded.ok
        assert len(loaded.problems) == 1
        for path in ("prompts[0].speed", "prompts[0].prompts[0].mood", "settings.fog", "later"):
            assert path in loaded.problems[0].message

    def test_they_are_errors_when_strict(self) -> None:
        assert len(found(load(self.data(), strict=True), "error")) == 4

    def test_a_key_made_to_break_a_terminal_is_shown_as_escapes(self) -> None:
        loaded = load(document() | {"\x1b[31m\n": 1})
        assert "\\x1b[31m\\n" in loaded.problems[0].message


def test_all_faults_come_in_one_answer() -> None:
    data = {
        "prompts": [
            block("0", 4) | {"prompts": [{"text": "a", "weight": "100"}]},
            block(4, 8) | {"prompts": ["plain"]},
            42,
            None,
        ],
        "settings": {"seed": -1, "noiseScale": "0.8", "manageCache": "yes"},
        "version": 2.1,
    }
    assert sorted(found(load(data), "error")) == [
        "prompts[0].prompts[0].weight",
        "prompts[0].startTime",
        "prompts[1].prompts[0]",
        "prompts[2]",
        "prompts[3]",
        "settings.manageCache",
        "settings.noiseScale",
        "settings.seed",
        "version",
    ]


def test_require_raises_all_errors_with_file_and_field() -> None:
    loaded = load(document(block(2, 1), seed=-1), source="shot.json")
    with pytest.raises(TimelineError) as caught:
        loaded.require()
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["shot.json", "shot.json"]
    assert (caught.value.path, caught.value.field) == ("shot.json", "prompts[0].endTime")


def test_a_file_is_loaded_from_disk(tmp_path: Path) -> None:
    path = tmp_path / "shot.json"
    path.write_text(json.dumps(document()))
    assert load_timeline(path).ok


def test_a_missing_file_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        load_timeline(tmp_path / "none.json")


@pytest.mark.parametrize("path", [Path("/"), "a\0b"], ids=["folder", "odd name"])
def test_what_cannot_be_read_is_a_problem(path: Path | str) -> None:
    loaded = load_timeline(path)
    assert not loaded.ok
    assert "cannot be read" in loaded.problems[0].message


@pytest.mark.parametrize(
    "value", ["x" * 10_000, list(range(1000)), {"a": {"b": {"c": {"d": [1] * 100}}}}, 10**300]
)
def test_the_value_of_a_problem_is_short_and_json_safe(value: Any) -> None:
    loaded = load(document() | {"prompts": [value]})
    assert all(len(json.dumps(problem.to_dict())) < 1000 for problem in loaded.problems)


@pytest.mark.parametrize(("given", "lacking"), [("height", "width"), ("width", "height")])
def test_half_a_size_is_refused_by_the_side_that_is_there(given: str, lacking: str) -> None:
    loaded = load(document(resolution={given: 512}))
    (problem,) = [each for each in loaded.problems if each.severity == "error"]
    assert f"names a {given} only; a size needs height and width" in str(problem)
    assert f"names a {lacking}" not in str(problem)


@pytest.mark.parametrize("steps", [[0], [0, 0], [0.0]], ids=str)
def test_steps_of_nothing_but_0_are_said_to_be_that(steps: list[float]) -> None:
    (message,) = messages(load(document(block(0, 1), denoisingSteps=steps)), "error")
    assert "holds nothing but 0; at least one step above 0 is needed" in message


@pytest.mark.parametrize(
    "data",
    [
        {"0": "a", "max_f/2": "b"},
        {"0": "a", "pre_text": "film"},
        {"animation_prompts": {"0": "a"}},
        {"rendered_frames": []},
    ],
    ids=str,
)
def test_files_of_other_tools_are_sent_to_the_converter(data: dict[str, Any]) -> None:
    (message,) = messages(load(data), "error")
    assert "rushes convert" in message


def test_syntax_of_other_tools_is_named_in_prefix_and_suffix_too() -> None:
    data = document(block(0, 1)) | {"ext": {"schema": 1, "prefix": "<lora:x:1>", "suffix": "(a:2)"}}
    told = messages(load(data), "warning")
    assert [words in each for words, each in zip(("<lora:x:1>", "(a:2)"), told, strict=True)]
