"""The streaming loop between a plan and the models; tensors in, tensors out."""
