"""The prompt embedding that is in force, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import torch
from torch import Tensor
from torch.nn import functional

from rushes.models.caches.snapshot import Snapshot
from rushes.presets.kinds import Method
from rushes.stream.blending import blend, interpolate, normalise_weights
from rushes.timeline.document import Prompt
from rushes.transfer import to_device

_EMBEDDINGS = ("target", "source", "in_force")


class Conditioning:
    """Follows the plan from prompt block to prompt block, also through transitions.

    A transition runs from the embedding in force when its prompts first appear (which may lie in
    the middle of another transition) to the blend of these prompts.
    """

    def __init__(
        self,
        embed: Callable[[str], Tensor],
        spatial_method: Method = "linear",
        device: torch.device | None = None,
    ) -> None:
        """``embed`` returns the embedding of one text, [1, P, E_text].

        Each block's blend goes to the device once; transitions are computed there.
        """
        self._embed = embed
        self._spatial_method: Method = spatial_method
        self._device = device or torch.device("cpu")
        self.target_prompts: tuple[Prompt, ...] | None = None
        self.target: Tensor | None = None
        self.source: Tensor | None = None
        self.in_force: Tensor | None = None

    def forget(self) -> None:
        """Have nothing in force, so that the next prompts take effect at once."""
        self.target_prompts = self.target = self.source = self.in_force = None

    def snapshot(self) -> Snapshot:
        """Return the target, and the embeddings between which a transition runs."""
        prompts = self.target_prompts
        snapshot = Snapshot(
            values={"target_prompts": None if prompts is None else [asdict(p) for p in prompts]}
        )
        for name in _EMBEDDINGS:
            snapshot.add_optional(name, getattr(self, name))
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        prompts = snapshot.values["target_prompts"]
        self.target_prompts = None if prompts is None else tuple(Prompt(**p) for p in prompts)
        for name in _EMBEDDINGS:
            setattr(self, name, snapshot.tensors.get(name))
        # Two names of one embedding lead to one object, so comparing objects shows a change.
        for known in (self.target, self.source):
            if known is not None and self.in_force is not None and known.equal(self.in_force):
                self.in_force = known

    def advance(
        self, prompts: tuple[Prompt, ...], transition: float | None, method: Method
    ) -> tuple[Tensor, bool]:
        """Return the embedding for the next chunk, and whether it differs from the one before.

        ``transition`` is the weight of ``prompts`` while a transition to them runs, else None.

        Shapes:
            returns: [1, P, E_text]
        """
        if prompts != self.target_prompts:
            self.source = self.in_force
            self.target = to_device(self.blended(prompts), self._device)
            self.target_prompts = prompts
        assert self.target is not None
        if self.source is None or transition is None or transition >= 1:
            following = self.target
        elif transition <= 0:
            following = self.source
        else:
            source, target = of_one_length((self.source, self.target))
            following = interpolate(source, target, transition, method)
        changed = following is not self.in_force
        self.in_force = following
        return following, changed

    def blended(self, prompts: tuple[Prompt, ...]) -> Tensor:
        """Return the mix of the prompts of one block, [1, P, E_text], without padding."""
        embeddings = of_one_length([without_padding(self._embed(each.text)) for each in prompts])
        weights = normalise_weights([prompt.weight for prompt in prompts])
        return blend(embeddings, weights, self._spatial_method)


def without_padding(embedding: Tensor) -> Tensor:
    """Leave out the rows of zeros at the end, but one where there is nothing else.

    The network pads what it is given, and mixing zeros gives zeros.

    Shapes:
        embedding: [1, text_len, E_text]
        returns: [1, P, E_text]
    """
    filled = embedding[0].any(dim=-1).nonzero()
    return embedding[:, : int(filled[-1]) + 1 if len(filled) else 1]


def of_one_length(embeddings: Sequence[Tensor]) -> list[Tensor]:
    """Pad embeddings with zeros to the length of the longest, [1, P, E_text] each."""
    length = max(embedding.shape[1] for embedding in embeddings)
    return [
        functional.pad(embedding, (0, 0, 0, length - embedding.shape[1]))
        if embedding.shape[1] < length
        else embedding
        for embedding in embeddings
    ]
