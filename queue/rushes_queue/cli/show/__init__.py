"""How commands show things to people: messages, progress, jobs in words."""
