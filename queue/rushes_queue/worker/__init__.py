"""The process that renders jobs, and what it does beside rendering."""
