"""A small conditional GAN that draws images of a class: an addition behind a gate, never a default."""
