"""Who takes chunks through their denoising steps, each with the memory that it needs."""
