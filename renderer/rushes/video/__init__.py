"""Video files in and out, frame by frame."""
