"""Commands that submit jobs, follow and change them."""
