"""Normal noise of a seed, with the numbers that one or another device would draw."""
