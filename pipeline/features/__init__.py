"""Features of images, and what is near what: the model's or learned without labels, in memory maps, with FAISS."""
