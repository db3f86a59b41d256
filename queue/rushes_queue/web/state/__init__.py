"""What the server keeps between two requests: uploads, results, frames, changes of jobs."""
