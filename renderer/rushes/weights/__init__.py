"""Weight files: found, downloaded, converted, and loaded into networks on a device."""
