"""Files of this machine: written whole or not at all, hashed, and where they lie."""
