"""The networks and their caches; know no timeline, no file and no job."""
