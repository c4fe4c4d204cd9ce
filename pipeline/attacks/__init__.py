"""How far an image is from a classifier's decision border, and which images of a pool are nearest to it."""
