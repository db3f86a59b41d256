"""Commands that work on timelines, without a farm."""
