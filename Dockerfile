# syntax=docker/dockerfile:1
# Two images: `docker build --target cpu .` and `docker build --target cuda .`
# Weights are mounted at /models, secrets come from the environment; neither is in an image.

FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY renderer renderer
COPY queue queue
COPY configs configs
COPY timelines timelines
COPY pocket pocket
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim AS base
RUN useradd --uid 10001 --create-home rushes \
    && install -d -o rushes -g rushes /models /var/lib/rushes /var/lib/rushes/cache \
       /var/lib/rushes/work
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    HOME=/tmp \
    RUSHES_MODELS_DIR=/models \
    RUSHES_CACHE_DIR=/var/lib/rushes/cache \
    RUSHES_WORK_DIR=/var/lib/rushes/work \
    RUSHES_STATE_DIR=/var/lib/rushes/state

FROM base AS cuda
COPY --from=build /wheels /wheels
RUN pip install /wheels/*.whl && rm -r /wheels
# The container runtime adds the driver's libraries: compute, NVML, and NVENC.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
USER rushes
WORKDIR /var/lib/rushes
ENTRYPOINT ["rushes"]

FROM base AS cpu
# An index of torch builds for the CPU makes this image several gigabytes smaller.
ARG TORCH_INDEX=""
COPY --from=build /wheels /wheels
RUN if [ -n "$TORCH_INDEX" ]; then pip install torch --index-url "$TORCH_INDEX"; fi \
    && pip install /wheels/*.whl && rm -r /wheels
USER rushes
WORKDIR /var/lib/rushes
ENTRYPOINT ["rushes"]
