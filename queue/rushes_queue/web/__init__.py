"""A web page and an HTTP API for timelines, takes and the farm."""
