"""Images into arrays and display files, and the memory-mapped pool that the rest of the science reads."""
