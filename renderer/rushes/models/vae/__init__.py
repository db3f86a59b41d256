"""The layers of the Stream-VAE: causal convolutions, and the blocks made of them."""
