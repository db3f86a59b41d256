"""What the storage keeps of jobs: documents, save points, results."""
