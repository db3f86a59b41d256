"""Video files out: codecs, segments, containers, pictures."""
