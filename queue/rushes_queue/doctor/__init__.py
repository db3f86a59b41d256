"""What is missing on this machine or in the farm, and the cure.

Each subject is a module with a tuple ``CHECKS`` of functions; ``examine`` runs each subject in a
process of its own, so that none can hang or crash the others.
"""
