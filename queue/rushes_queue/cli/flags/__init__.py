"""What commands share: options, exit codes, the console."""
