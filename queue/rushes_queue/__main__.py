"""``python -m rushes_queue`` is the command ``rushes``, for processes that start others."""

from rushes_queue.cli import main

if __name__ == "__main__":
    main()
