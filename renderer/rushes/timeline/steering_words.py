"""Words in an unknown key that suggest that it steers the picture."""

from __future__ import annotations

import re
from typing import Any

_LORA_LIKE = {
    *("lora", "loras", "lycoris", "controlnet", "vace", "ipadapter", "adapter", "adapters"),
    *("preprocessor", "preprocessors", "inpaint", "inpainting"),
}
_PICTURE_LIKE = {
    *("image", "images", "img", "picture", "pictures", "photo", "reference", "references", "ref"),
    *("refs", "mask", "masks", "control", "controls", "depth", "pose", "scribble", "canny", "init"),
    *("video", "videos", "clip", "frame", "frames", "keyframe", "keyframes", "asset", "assets"),
}
_MEDIA = re.compile(
    r"(?i)^(?:data:|blob:|https?:)|\.(?:png|jpe?g|webp|bmp|gif|tiff?|avif|mp4|mov|mkv|webm|avi)$"
)


def may_steer(key: str, value: Any) -> bool:
    """Say whether an unknown key, by its words and its value, may steer the picture."""
    words = {word.lower() for word in re.findall(r"[A-Za-z][a-z]*|[A-Z]+(?![a-z])", key)}
    if not value:
        return False
    if words & _LORA_LIKE:
        return True
    return bool(words & _PICTURE_LIKE) and names_media(value)


def names_media(value: Any, depth: int = 0) -> bool:
    """Say whether a value is the name or address of pictures, or holds one."""
    match value:
        case str():
            return bool(_MEDIA.search(value.strip()[-300:] if len(value) > 300 else value.strip()))
        case list() if depth < 3:
            return any(names_media(item, depth + 1) for item in value[:64])
        case dict() if depth < 3:
            return any(names_media(item, depth + 1) for item in [*value.values()][:64])
        case _:
            return False
