"""All of Celery and kombu: messages that say that there is work."""
