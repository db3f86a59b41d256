"""What the layers of the DiT are made of: modulation by the timestep, patches, stacked weights."""
