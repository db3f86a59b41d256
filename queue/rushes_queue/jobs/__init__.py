"""What a job is, as plain data: document, record, states."""
