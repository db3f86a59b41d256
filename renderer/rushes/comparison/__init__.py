"""Results beside each other: what their manifests say, what they measure, how they look."""
