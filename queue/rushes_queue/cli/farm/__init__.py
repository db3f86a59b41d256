"""Commands that run and maintain a farm."""
