"""What the gate for synthetic images measures, one figure a place; `pipeline.augmentation.quality` decides by them."""
