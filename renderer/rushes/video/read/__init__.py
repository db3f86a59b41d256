"""Video files in: probed, decoded, converted to RGB frames in step with the chunks."""
