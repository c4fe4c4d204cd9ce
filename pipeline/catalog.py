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
        cost: Of a strategy: what ranking a pool takes, in forward passes over it; empty for the others.
    """

    name: str
    summary: str
    reference: str
    cost: str = ""


def _by_name(*entries: Entry) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries}


_DFAL = "Ducoffe and Precioso 2018, arXiv:1802.09841"

_GAL = "Gal, Islam and Ghahramani 2017, arXiv:1703.02910"
_ONE, _FEW, _MANY, _DRAWS = "one pass", "few passes", "many passes", "up to a pass a draw"

STRATEGIES: dict[str, Entry] = _by_name(
    Entry(
        "dfal", "Nearest to the border by DeepFool; adversarial copies of what was asked join the training", _DFAL, _FEW
    ),
    Entry("dfal_0", "Nearest to the border by DeepFool, without copies", _DFAL, _FEW),
    Entry(
        "dfal_one_step",
        "Nearest to the border if the model were linear",
        "Elsayed et al. 2018, arXiv:1803.05598",
        _MANY,
    ),
    Entry("fgsm", "Smallest single step along the gradient's sign that changes the class", "arXiv:1412.6572", _MANY),
    Entry(
        "bim",
        "Fewest and shortest small steps along the gradient's sign that change the class",
        "arXiv:1607.02533",
        _MANY,
    ),
    Entry("least_confidence", "Lowest probability of the predicted class", "Lewis and Gale 1994", _ONE),
    Entry(
        "margin", "Smallest gap between the two highest class probabilities", "Scheffer, Decomain and Wrobel 2001", _ONE
    ),
    Entry("logit_gap", "Smallest gap between the two highest logits", "-", _ONE),
    Entry("entropy", "Probabilities spread over the most classes", "Shannon 1948; Settles 2009", _ONE),
    Entry(
        "bald",
        "Where networks drawn by dropout are sure and disagree",
        "Houlsby et al. 2011, arXiv:1112.5745; " + _GAL,
        _DRAWS,
    ),
    Entry(
        "batch_bald", "BALD of a whole batch, so that its images do not repeat each other", "arXiv:1906.08158", _DRAWS
    ),
    Entry("power_bald", "Random images, likelier where BALD is high: a batch with variety", "arXiv:2106.12059", _DRAWS),
    Entry(
        "variation_ratios",
        "Lowest mean probability of the predicted class over networks drawn by dropout",
        _GAL,
        _DRAWS,
    ),
    Entry("mean_std", "Probabilities that vary most over networks drawn by dropout", _GAL, _DRAWS),
    Entry(
        "ceal", "Least sure images to people; the surest get the model's class and train too", "arXiv:1701.03551", _ONE
    ),
    Entry("core_set", "Each pick as far as can be from all that is labeled or picked", "arXiv:1708.00489", _ONE),
    Entry("core_set_robust", "Core-set that does not chase outliers", "Ding, Yu and Wang 2019, arXiv:1901.08219", _ONE),
    Entry(
        "egl",
        "Largest expected gradient: labels that would change the network most",
        "Settles, Craven and Ray 2007",
        _MANY,
    ),
    Entry("badge", "Large gradients that point in different directions", "arXiv:1906.03671", _ONE),
    Entry("typiclust", "The most typical image of each cluster: for cold starts", "arXiv:2202.02794", _ONE),
    Entry(
        "probcover",
        "Images that cover most of the pool with balls of one class: for cold starts",
        "arXiv:2205.11320",
        _MANY,
    ),
    Entry("kmeans", "The image in the middle of each cluster", "Xu et al. 2003; Zhdanov 2019, arXiv:1901.05954", _ONE),
    Entry("random_sampling", "Any images, each as likely as the next: the yardstick for the others", "-", "no pass"),
)

WRAPPERS: dict[str, Entry] = _by_name(
    Entry("copies", "margin+copies: adversarial copies of what was asked join the training", _DFAL, _FEW),
    Entry(
        "class_balanced", "margin+class_balanced: more of the classes that have few labels", "arXiv:2110.04543", _ONE
    ),
    Entry("deduplicated", "margin+deduplicated: no near-duplicates in one batch", "-", _ONE),
    Entry("subsampled", "egl+subsampled: looks at some random images instead of the whole pool", "-", "no pass"),
    Entry("mixed", "mixed(dfal_0=0.9, random_sampling=0.1): shares of several strategies", "-", "no pass"),
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
    Entry(
        "adversarial_mix",
        "Part of each batch is adversarial, by FGSM: harder to fool, less accurate",
        "arXiv:1611.01236",
    ),
    Entry(
        "trades", "An image and its worst neighbor get one answer; learns from the unlabeled pool", "arXiv:1901.08573"
    ),
)

AUGMENTATIONS: dict[str, Entry] = _by_name(
    Entry("none", "Nothing beside what the strategy and the recipe do", "-"),
    Entry("balanced", "Every class as often in training, however many labels it has", "Kang et al., arXiv:1910.09217"),
    Entry("logit_adjustment", "A loss that counts rare classes as frequent ones", "Menon et al., arXiv:2007.07314"),
    Entry("balanced_softmax", "A softmax over label counts: the same aim", "Ren et al., arXiv:2007.10740"),
    Entry("copies", "Adversarial copies of what was asked join the training, as margin+copies does", _DFAL),
    Entry("gan", "A generator makes images of rare classes; a gate lets in those that help", "Mirza and Osindero 2014"),
    Entry("pool", "gan+pool: the generator also learns from images without a label", "Lucic et al., arXiv:1903.02271"),
    Entry("translation", "CycleGAN turns images of a common class into a rare one", "Zhu et al., arXiv:1711.00648"),
)

BALANCES: dict[str, Entry] = _by_name(
    Entry("auto", "Classes take turns when one has three times the labels of another; else nothing", "-"),
    Entry("none", "Images as they come", "-"),
    Entry("sampling", "Classes take turns in the batches", "Kang et al. 2020, arXiv:1910.09217"),
    Entry("logit_adjustment", "The loss knows how common each class is", "Menon et al. 2021, arXiv:2007.07314"),
    Entry("balanced_softmax", "The same loss under another name", "Ren et al. 2020, arXiv:2007.10740"),
)

MIXINGS: dict[str, Entry] = _by_name(
    Entry("none", "Images one by one", "-"),
    Entry("mixup", "Two images added up, and their classes in the same shares", "arXiv:1710.09412"),
    Entry("cutmix", "A rectangle of one image on another, classes by area", "arXiv:1905.04899"),
)
