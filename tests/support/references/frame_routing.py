"""MemFlow's sparse routing, which no published configuration turns on; a recorded case has it.

Source: memflow: wan/modules/causal_model.py
"""

from __future__ import annotations

from torch import Tensor


def routed(q: Tensor, k: Tensor, v: Tensor, frame_tokens: int, most: int) -> tuple[Tensor, Tensor]:
    """Keep, for each head, the frames whose mean key is most like the mean query, in order.

    Shapes:
        q: [1, S, N, D]
        k, v: [1, frames * frame_tokens, N, D]
        returns: k and v [1, most * frame_tokens, N, D]
    """
    by_frame = [x.unflatten(1, (-1, frame_tokens)) for x in (k, v)]  # [1, F, tokens, N, D]
    scores = (by_frame[0].mean(2) * q.mean(1, keepdim=True)).sum(-1)  # [1, F, N]
    kept = scores.topk(min(most, scores.shape[1]), dim=1).indices.sort(dim=1).values
    index = kept[:, :, None, :, None].expand(-1, -1, frame_tokens, -1, k.shape[-1])
    keys, values = (x.gather(1, index).flatten(1, 2) for x in by_frame)
    return keys, values
