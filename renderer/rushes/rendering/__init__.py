"""From a request to files: the render loop, save points, manifest."""
