"""What belongs to a model: sizes, schedule, files; and the catalogue of public weights."""
