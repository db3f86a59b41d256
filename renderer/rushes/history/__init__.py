"""What earlier renders on this machine took, and what that says of the next one."""
