"""Python, its packages, torch, the GPUs, and attention on them."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

import rushes
from rushes_queue.doctor.finding import Check, Finding, fault, ok, warning
from rushes_queue.settings.loaded import LoadedSettings

_OLDEST_CAPABILITY = (8, 0)  # bfloat16 in hardware
_SIZE = 256  # of the trial's matrices
_TOLERANCE = 0.05  # relative, of a bfloat16 product


def check_python(_: LoadedSettings) -> Iterator[Finding]:
    yield ok("rushes", f"{rushes.__version__}, Python {platform.python_version()}, {sys.platform}")


def check_packages(_: LoadedSettings) -> Iterator[Finding]:
    """Compare the installed packages with the versions that were tested."""
    try:
        wanted = [Requirement(text) for text in requires("rushes") or ()]
    except PackageNotFoundError:
        yield warning(
            "packages",
            "rushes runs from a checkout and is not installed, so versions cannot be compared",
            "uv tool install . in the checkout, or install a wheel of it: README, Install",
        )
        return
    wanted = [each for each in wanted if each.marker is None or each.marker.evaluate()]
    is_well = True
    for each in wanted:
        try:
            found = version(each.name)
        except PackageNotFoundError:
            found = None
        if found is None or not each.specifier.contains(found, prereleases=True):
            is_well = False
            there = f"{found} is installed" if found else "is not installed"
            yield fault(each.name, f"{there}, {each} is needed", f"pip install '{each}'")
    if is_well:
        yield ok("packages", f"all {len(wanted)} that are needed, in versions that fit")


def check_gpus(_: LoadedSettings) -> Iterator[Finding]:
    """Compare the driver's GPUs with those that torch can use, and try each one."""
    import torch

    instructions = torch.backends.cpu.get_cpu_capability()
    yield ok("torch", f"{torch.__version__}, computes with {instructions} on the CPU")
    seen = _gpus_of_driver()
    if seen:
        yield ok("driver", f"NVIDIA {seen[0]}, {len(seen) - 1} GPUs")
    usable = torch.cuda.device_count()
    if usable == 0:
        if torch.backends.mps.is_available():
            yield ok("gpu", "Apple's, through mps")
        elif len(seen) > 1 and os.environ.get("CUDA_VISIBLE_DEVICES") != "":
            yield fault(
                "gpu",
                f"the driver shows {len(seen) - 1} GPUs, but torch {torch.__version__} cannot use "
                "them",
                "install a torch that is built for CUDA: https://pytorch.org/get-started/locally/",
            )
        else:
            yield warning(
                "gpu",
                "none; renders on the CPU are fast enough only with the preset pocket",
                "use a machine with an NVIDIA GPU of 16 GiB or more",
            )
    for index in range(usable):
        yield _try_gpu(index)


def check_attention(_: LoadedSettings) -> Iterator[Finding]:
    """Run each attention kernel that is installed, and compare the results."""
    import torch

    from rushes.models.attention import attend

    has_gpu = torch.cuda.is_available()
    device, dtype = ("cuda", torch.bfloat16) if has_gpu else ("cpu", torch.float32)
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 1, 64, 4, 64, generator=generator).to(device, dtype).unbind()
    scores = torch.einsum("bqnd,bknd->bnqk", q.float(), k.float()) / q.shape[-1] ** 0.5
    plain = torch.einsum("bnqk,bknd->bqnd", scores.softmax(-1), v.float()).to(dtype)
    if not torch.allclose(attend(q, k, v), plain, atol=2e-2):
        yield fault("attention", "gives wrong numbers", "reinstall torch, and check the GPU")
        return
    yield ok("attention", f"computes on {device} in {str(dtype).removeprefix('torch.')}")
    yield from _try_flash_attention(has_gpu, q, k, v, plain)


def _try_flash_attention(has_gpu: bool, *tensors: object) -> Iterator[Finding]:
    try:
        import flash_attn
    except ImportError as error:
        is_absent = isinstance(error, ModuleNotFoundError) and error.name == "flash_attn"
        if is_absent:
            yield ok("flash-attn", "is not installed; torch's own attention is used")
        else:
            yield warning("flash-attn", f"cannot be loaded: {error}", "build it for this torch")
        return
    if not has_gpu:
        yield ok("flash-attn", f"{flash_attn.__version__}; it is not used without a GPU")
        return
    import torch

    q, k, v, plain = tensors
    if torch.allclose(flash_attn.flash_attn_func(q, k, v), plain, atol=2e-2):  # type: ignore[arg-type]
        yield ok("flash-attn", f"{flash_attn.__version__}, agrees with torch")
    else:
        yield fault("flash-attn", "differs from torch", "pip uninstall flash-attn, or rebuild it")


def _gpus_of_driver() -> list[str]:
    """Return the driver's version and the names of its GPUs; nothing without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        names = [pynvml.nvmlSystemGetDriverVersion(), *map(pynvml.nvmlDeviceGetName, handles)]
    except pynvml.NVMLError:
        return []
    return [str(name) for name in names]


def _try_gpu(index: int) -> Finding:
    """Multiply matrices on a GPU and compare with the CPU."""
    import torch

    name = f"gpu {index}"
    device = torch.device("cuda", index)
    facts = torch.cuda.get_device_properties(device)
    capability = (facts.major, facts.minor)
    try:
        free, total = torch.cuda.mem_get_info(device)
        matrix = torch.randn(_SIZE, _SIZE, generator=torch.Generator().manual_seed(0))
        product = (matrix.to(device, torch.bfloat16) @ matrix.to(device, torch.bfloat16)).float()
        difference = (product.cpu() - matrix @ matrix).abs().max() / (matrix @ matrix).abs().max()
    except RuntimeError as error:
        return fault(
            name, f"{facts.name} fails: {error}", "look at nvidia-smi and the kernel's log"
        )
    detail = (
        f"{facts.name}, compute capability {facts.major}.{facts.minor}, "
        f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    )
    if difference > _TOLERANCE:
        return fault(name, f"{detail}: computes wrong numbers", "take it out of service")
    if capability < _OLDEST_CAPABILITY:
        return warning(name, f"{detail}: has no bfloat16", "expect slow renders; --dtype float16")
    return ok(name, detail)


CHECKS: tuple[Check, ...] = (check_python, check_packages, check_gpus, check_attention)
