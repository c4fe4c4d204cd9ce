"""More training images from few labels: adversarial copies of what was asked."""
