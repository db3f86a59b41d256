"""Each variant has the cache and the driver of its name."""

from __future__ import annotations

import pytest

from renders.streams import open_stream
from rushes.drivers.clean_pass import CleanPass
from rushes.drivers.one_by_one import OneByOne
from rushes.drivers.step_batch import StepBatch
from rushes.drivers.variants import DriverOptions
from rushes.models.caches.kv_cache import RollingKVCache
from rushes.models.caches.queue_cache import QueueKVCache
from rushes.models.caches.ring_cache import RingKVCache
from rushes.presets.kinds import Variant


@pytest.mark.parametrize(
    ("variant", "stream_batch", "cache", "driver"),
    [
        ("rolling", False, RollingKVCache, CleanPass),
        ("ring", False, RingKVCache, OneByOne),
        ("ring", True, RingKVCache, StepBatch),
        ("ring-exact", False, QueueKVCache, OneByOne),
        ("ring-exact", True, QueueKVCache, StepBatch),
    ],
)
def test_a_variant_has_its_cache_and_its_driver(
    variant: Variant, stream_batch: bool, cache: type, driver: type
) -> None:
    options = DriverOptions(6, 3, variant, stream_batch=stream_batch, rows=2)
    opened = open_stream(driver=options).driver
    assert (type(opened), type(opened.kv_cache)) == (driver, cache)


@pytest.mark.parametrize("variant", ["ring", "ring-exact"])
def test_a_ring_takes_window_sinks_and_rows_as_they_are_given(variant: Variant) -> None:
    options = DriverOptions(7, 2, variant, stream_batch=True, rows=3)
    cache = open_stream(driver=options).driver.kv_cache
    sizes = cache.slots.sizes
    assert (sizes.window, sizes.rows, cache.sinks) == (7, 3, 2)
