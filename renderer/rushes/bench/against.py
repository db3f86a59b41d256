"""The public package ``streamdiffusionv2`` and this one in turns, with the same random weights.

The package is not part of this project; whoever wants the comparison installs it. What is called
of it: ``models.wan.causal_model.CausalWanModel`` and ``models.wan.wan_base.modules.vae.WanVAE_``.

Source: sdv2: models/wan/causal_stream_inference.py (shapes of its caches), version 0.1.1
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import torch
from torch import Tensor

from rushes.bench.measure import BenchOptions
from rushes.bench.random_networks import random_models
from rushes.bench.short_stream import plan_chunks
from rushes.errors import ConfigError
from rushes.models.caches.feature_cache import FeatureCache
from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.caches.slot_sizes import SlotSizes
from rushes.models.rope import RotaryEmbedding
from rushes.models.stream_vae import StreamVAE
from rushes.presets.preset import Preset
from rushes.stream.stream import Models

PACKAGE = "streamdiffusionv2"
_DIT, _VAE = "models.wan.causal_model", "models.wan.wan_base.modules.vae"

Step = Callable[[int], Tensor]  # by the number of the chunk


def compare_with_public_package(preset: Preset, options: BenchOptions) -> dict[str, Any]:
    """Time a pass of the network and a step of the Wan VAE in both packages, by turns.

    A chunk is put together from these: as many passes as there are steps, here also the clean
    pass, and the VAE. ``difference`` is that of the first results, in shares of their spread: what
    is compared computes the same.
    Units: milliseconds; on a CPU those of the process, medians
    Raises: ConfigError when the package or a part of it is not here, or the VAE is another one.
    """
    installed = _installed_version()
    if (options.vae_type or preset.vae.type) not in ("wan", "lightvae"):
        raise ConfigError(f"{PACKAGE} has the Wan VAE only; leave --vae out")
    vae_type = options.vae_type or preset.vae.type
    arguments = (preset, options.device, options.dtype, vae_type, options.num_blocks)
    models = random_models(*arguments)
    steps = plan_chunks(preset, options.size, options.steps, 1).chunks[0].denoising_steps
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # theirs, of kernels that are not installed
        parts = {
            "VAE step": _in_turns(_our_vae(models, options), _their_vae(models, options), options),
            "pass": _in_turns(
                _our_pass(models, preset, options), _their_pass(models, preset, options), options
            ),
        }
    vae, one = parts["VAE step"], parts["pass"]
    parts["chunk"] = _part(
        vae["ours_ms"] + (len(steps) + 1) * one["ours_ms"],
        vae["theirs_ms"] + len(steps) * one["theirs_ms"],
    )
    unit = "process time" if options.device.type == "cpu" else "time of the clock"
    return {"package": PACKAGE, "version": installed, "unit": unit, "parts": parts}


def _installed_version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError as error:
        raise ConfigError(
            f"{PACKAGE} is not installed here; install it without what it pins, for instance with "
            f"'pip install --no-deps {PACKAGE} einops regex', and try again"
        ) from error


def _of_package(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{PACKAGE} is here, but not the module {error.name} that it needs; install that too"
        ) from error
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"this version of {PACKAGE} cannot be compared: {error}") from error


def _in_turns(ours: Step, theirs: Step, options: BenchOptions) -> dict[str, float]:
    """Run both for as many chunks as are asked for; the first ones are not counted."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    difference = 0.0
    for chunk in range(options.warmup + options.chunks):
        results = {}
        for name, step in (("ours", ours), ("theirs", theirs)):
            begin = _now(options.device)
            results[name] = step(chunk)
            seconds[name].append(_now(options.device) - begin)
        if chunk == 0:
            right = results["theirs"].float()
            difference = float((results["ours"].float() - right).abs().max() / right.std())
    medians = [
        statistics.median(seconds[name][options.warmup :]) * 1000 for name in ("ours", "theirs")
    ]
    return _part(*medians) | {"difference": difference}


def _part(ours_ms: float, theirs_ms: float) -> dict[str, float]:
    return {"ours_ms": ours_ms, "theirs_ms": theirs_ms, "ratio": theirs_ms / ours_ms}


def _now(device: torch.device) -> float:
    if device.type == "cpu":
        return time.process_time()
    torch.accelerator.synchronize(device)
    return time.perf_counter()


def _random(options: BenchOptions, *shape: int, seed: int) -> Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.to(options.device, options.dtype)


def _vae_inputs(options: BenchOptions, chunk: int) -> tuple[Tensor, Tensor]:
    """Return the pixels and the latents of a chunk: [1, T, 3, H, W] and [1, T', 16, h, w]."""
    (width, height), is_first = options.size, chunk == 0
    pixels = _random(options, 1, 5 if is_first else 4, 3, height, width, seed=chunk)
    latents = _random(options, 1, 1 + is_first, 16, height // 8, width // 8, seed=chunk)
    return pixels, latents


def _our_vae(models: Models, options: BenchOptions) -> Step:
    encoder, decoder = FeatureCache(), FeatureCache()

    def step(chunk: int) -> Tensor:
        pixels, latents = _vae_inputs(options, chunk)
        encoded = models.vae.encode(pixels, encoder, normalise=False)
        return torch.cat((encoded.flatten(), models.vae.decode(latents, decoder).flatten()))

    return step


def _their_vae(models: Models, options: BenchOptions) -> Step:
    ours = cast("StreamVAE", models.vae)
    config = ours.config
    with torch.device("meta"):
        vae = _of_package(_VAE, "WanVAE_")(
            dim=config.dim,
            z_dim=config.latent_channels,
            dim_mult=list(config.multipliers),
            num_res_blocks=config.num_res_blocks,
            attn_scales=[],
            temperal_downsample=list(config.temporal_downsample),
            dropout=0.0,
        )
    weights = {name: weight.contiguous() for name, weight in ours.state_dict().items()}
    vae.load_state_dict(weights, assign=True)
    vae = vae.to(options.device).eval()
    scale = [ours.latent_mean.flatten(), 1 / ours.latent_std.flatten()]

    def step(chunk: int) -> Tensor:
        pixels, latents = _vae_inputs(options, chunk)
        encoded = vae.stream_encode(pixels.transpose(1, 2), None)
        decoded = vae.stream_decode(latents.transpose(1, 2), scale)
        both = (encoded.transpose(1, 2).flatten(), decoded.transpose(1, 2).flatten())
        return torch.cat(both)

    return step


def _pass_inputs(models: Models, options: BenchOptions, chunk: int) -> Tensor:
    """Return the latents of a chunk of one frame: [1, 1, C, h, w]."""
    width, height = options.size
    return _random(
        options, 1, 1, models.dit.config.in_dim, height // 8, width // 8, seed=100 + chunk
    )


def _embedding(models: Models, options: BenchOptions) -> Tensor:
    config = models.dit.config
    return _random(options, 1, config.text_len, config.text_dim, seed=1)


def _our_pass(models: Models, preset: Preset, options: BenchOptions) -> Step:
    dit, config = models.dit, models.dit.config
    grid = (options.size[1] // 16, options.size[0] // 16)
    sizes = SlotSizes(
        num_blocks=config.num_layers,
        num_heads=config.num_heads,
        head_dim=config.head_dim,
        frame_tokens=grid[0] * grid[1],
        window=preset.chunk.window,
        dtype=options.dtype,
        device=options.device,
    )
    cache = RollingKVCache(sizes, sinks=preset.chunk.sinks)
    prompt = dit.prompt_keys(dit.embed_prompt(_embedding(models, options)))
    embedding = RotaryEmbedding(config.head_dim, options.device)

    def step(chunk: int) -> Tensor:
        latents = _pass_inputs(models, options, chunk)
        position = cache.begin_chunk(chunk, 1)
        rotary = embedding.factors([position], 1, *grid)
        timesteps = torch.full((1, 1), 700.0, device=options.device)
        flow: Tensor = dit(latents, timesteps, rotary, cache, prompt)
        return flow.flatten()

    return step


def _their_pass(models: Models, preset: Preset, options: BenchOptions) -> Step:
    config = models.dit.config
    dit = _of_package(_DIT, "CausalWanModel")(
        model_type="t2v",
        text_len=config.text_len,
        in_dim=config.in_dim,
        dim=config.dim,
        ffn_dim=config.ffn_dim,
        freq_dim=config.freq_dim,
        text_dim=config.text_dim,
        out_dim=config.in_dim,
        num_heads=config.num_heads,
        num_layers=config.num_layers,
    )
    dit.load_state_dict(models.dit.state_dict(), assign=True)
    dit = dit.to(options.device).eval()
    for block in dit.blocks:
        block.self_attn.sink_size = preset.chunk.sinks
        refresh = preset.chunk.sink_refresh
        block.self_attn.adapt_sink_thr = -1 if refresh is None else refresh
    tokens = options.size[0] * options.size[1] // 256
    keys = [_their_cache(models, options, tokens * preset.chunk.window) for _ in dit.blocks]
    prompt = [_their_cache(models, options, config.text_len) for _ in dit.blocks]
    context = _embedding(models, options)

    def step(chunk: int) -> Tensor:
        start = torch.tensor([chunk * tokens], device=options.device)
        flow: Tensor = dit(
            _pass_inputs(models, options, chunk).transpose(1, 2),
            t=torch.full((1, 1), 700, device=options.device),
            context=context,
            seq_len=tokens * preset.chunk.window,
            kv_cache=keys,
            crossattn_cache=prompt,
            current_start=start,
            current_end=start + tokens,
        )
        return flow.transpose(1, 2).flatten()

    return step


def _their_cache(models: Models, options: BenchOptions, tokens: int) -> dict[str, Any]:
    """Return the cache of a block, of keys and values, in their layout."""
    config = models.dit.config
    shape = (1, tokens, config.num_heads, config.head_dim)
    return {
        **{name: _random(options, 1, seed=0).new_zeros(shape) for name in ("k", "v")},
        **{
            name: torch.zeros(1, dtype=torch.long, device=options.device)
            for name in ("global_end_index", "local_end_index")
        },
        "total_steps": 1,
        "current_step": 1,
        "is_init": False,
    }
