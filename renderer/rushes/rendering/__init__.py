"""From a request to files: the loop around the stream, save points, manifest."""
