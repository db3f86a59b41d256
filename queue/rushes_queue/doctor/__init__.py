"""What is wrong on this machine or in the farm, and how to fix it.

Each subject is a module with a tuple ``CHECKS`` of functions; ``examine`` calls them, each with a
limit of time. Those that call drivers and codecs, which may crash, run in one child process.
"""
