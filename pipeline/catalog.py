"""Names and one line each for strategies, models and recipes, for menus and help: importing this imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One thing that can be chosen by name.

    Attributes:
        name: What is typed.
        summary: One line that tells what it does.
        reference: Where it comes from.
    """

    name: str
    summary: str
    reference: str


def _by_name(*entries: Entry) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries}


_DFAL = "Ducoffe and Precioso 2018, arXiv:1802.09841"

STRATEGIES: dict[str, Entry] = _by_name(
    Entry("dfal", "Nearest to the border by DeepFool; adversarial copies of what was asked join the training", _DFAL),
    Entry("dfal_0", "Nearest to the border by DeepFool, without copies", _DFAL),
    Entry("margin", "Smallest gap between the two highest class probabilities", "Scheffer, Decomain and Wrobel 2001"),
    Entry("random_sampling", "Any images, each as likely as the next: the yardstick for the others", "-"),
)

MODELS: dict[str, Entry] = _by_name(
    Entry("convnet", "Small modern network with BatchNorm and dropout, 8 to 128 pixels: the default", "-"),
    Entry("lenet5", "LeNet5 as in the DFAL experiments, 16 pixels or more", "LeCun et al. 1998; " + _DFAL),
    Entry("vgg8", "VGG8 as in the DFAL experiments, 16 pixels or more; slow without a GPU", _DFAL),
    Entry("resnet18", "ResNet-18, pretrained weights by choice", "He et al. 2016, arXiv:1512.03385"),
    Entry("mobilenet_v3_small", "MobileNetV3 small, light, pretrained weights by choice", "arXiv:1905.02244"),
    Entry("efficientnet_b0", "EfficientNet-B0, pretrained weights by choice", "Tan and Le 2019, arXiv:1905.11946"),
    Entry("convnext_tiny", "ConvNeXt tiny, wants a GPU, pretrained weights by choice", "arXiv:2201.03545"),
    Entry("vit_b_16", "Vision Transformer B/16, wants a GPU and pretrained weights", "arXiv:2010.11929"),
)

RECIPES: dict[str, Entry] = _by_name(
    Entry("supervised", "From scratch: AdamW, cosine, small shifts and turns, stops when the loss stands still", "-"),
    Entry("quick", "The same in a hundred steps or a few more: to try things out, not for figures", "-"),
    Entry("fine_tuning", "For pretrained weights: a low learning rate and few steps", "-"),
)
