"""LoRAs: their files, and the layers that they change."""
