"""Steps that are the same for chunk after chunk, replayed on fixed buffers: on CUDA as graphs."""
