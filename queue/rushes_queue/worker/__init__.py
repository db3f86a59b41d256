"""The process that renders jobs, and its other duties."""
