"""Words in an unknown key that suggest that it steers the picture."""

from __future__ import annotations

import re
from typing import Any

_LORA_LIKE = {
    *("lora", "loras", "lycoris", "controlnet", "vace", "ipadapter", "adapter", "adapters"),
    *("preprocessor", "preprocessors", "postprocessor", "postprocessors", "processor"),
    *("processors", "inpaint", "inpainting"),
}
_IMAGES = {"image", "images", "img", "picture", "pictures", "photo", "photos"}
_PICTURE_LIKE = _IMAGES | {
    *("reference", "references", "ref"),
    *("refs", "mask", "masks", "control", "controls", "depth", "pose", "scribble", "canny", "init"),
    *("video", "videos", "clip", "frame", "frames", "keyframe", "keyframes", "asset", "assets"),
}
# What may stand behind the word for an image in the key of one.
_NAMES = {"path", "paths", "url", "urls", "uri", "file", "files", "id", "ids", "name", "data", "b"}
# What a file may show of itself, or say about what is made of it.
_OF_THE_FILE = {"thumbnail", "thumbnails", "preview", "poster", "icon", "cover", "output", "export"}
_FILE = r"\.(?:png|jpe?g|webp|bmp|gif|tiff?|avif|mp4|mov|mkv|webm|avi)"
_MEDIA_FILE = re.compile(rf"(?i)^data:|{_FILE}$")
_MEDIA = re.compile(rf"(?i)^(?:data:|blob:|https?:)|{_FILE}$")
# Objects of a document that hold what the pipeline is given, and those that only describe the file.
_PARAMETERS = re.compile(r"(?:settings|pipelines\[|nodes\[|prompts\[|timeline\.entries\[)")
_ABOUT = re.compile(r"(?:metadata\.|embedded_assets\[)")


def may_steer(key: str, value: Any, path: str = "") -> bool:
    """Say whether an unknown key, by its words, its value and its place, may steer the picture."""
    if not value or _ABOUT.match(path):
        return False
    words = words_of(key)
    if set(words) & _LORA_LIKE or (words[-2:] == ["pipeline", "ids"] and value[1:]):
        return True
    if not isinstance(value, str | list | dict) or set(words) & _OF_THE_FILE:
        return False
    bare = [word for word in words if word not in _NAMES]
    if bare and bare[-1] in _IMAGES:
        return True
    is_parameter = bool(_PARAMETERS.match(path))
    return (bool(set(words) & _PICTURE_LIKE) and names_media(value)) or (
        is_parameter and names_media(value, _MEDIA_FILE)
    )


def words_of(key: str) -> list[str]:
    """Return the words of a key, in lower case.

    >>> words_of("firstFrameImage"), words_of("vace_ref_images")
    (['first', 'frame', 'image'], ['vace', 'ref', 'images'])
    """
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", key)]


def names_media(value: Any, kinds: re.Pattern[str] = _MEDIA, depth: int = 0) -> bool:
    """Say whether a value is the name or address of pictures, or holds one."""
    match value:
        case str():
            return bool(kinds.search(value.strip()[-300:] if len(value) > 300 else value.strip()))
        case list() if depth < 3:
            return any(names_media(item, kinds, depth + 1) for item in value[:64])
        case dict() if depth < 3:
            return any(names_media(item, kinds, depth + 1) for item in [*value.values()][:64])
        case _:
            return False
