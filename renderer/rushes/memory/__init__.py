"""What a render needs of a GPU's memory, and how it is made to fit."""
