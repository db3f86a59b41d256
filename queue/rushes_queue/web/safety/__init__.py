"""Who may ask, from where, how much and how slowly."""
