"""The length of the loss's gradient by all weights, for each image and each label it might have.

The gradient itself, a copy of the network an image and label, is never made. A layer's share of the squared length
comes from what went into it and the slope that came back (Goodfellow, "Efficient per-example gradient computations",
arXiv:1510.01799; for convolutions Rochette et al., arXiv:1912.06015). Networks with other layers, or with layers used
twice, go through `torch.func.vmap`, one gradient an image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

_BYTES = 1 << 26  # of gradients that are held at a time
Square = Callable[[Tensor], Tensor]


def gradient_lengths(model: nn.Module, images: Tensor, mixes: Tensor) -> Tensor:
    """Return Euclidean lengths of gradients of mixes of logits by all parameters.

    Args:
        model: From images to logits (B, K), in eval mode; gradients must be enabled.
        images: Float (B, C, H, W).
        mixes: (B, M, K). With p - e_y it is the gradient of the cross-entropy with label y.

    Returns:
        float64 (B, M).
    """
    layers = _readable(model)
    if layers is not None:
        watched = _Watched(layers)
        logits = watched.run(model, images)
        if watched.once:
            return torch.stack([watched.lengths(logits, mix) for mix in mixes.unbind(1)], dim=1)
    return _one_by_one(model, images, mixes)


def _readable(model: nn.Module) -> list[nn.Module] | None:
    """Return the layers that hold all parameters, or None if one is of another kind."""
    layers = [layer for layer in model.modules() if list(layer.parameters(recurse=False))]
    owned = [id(parameter) for layer in layers for parameter in layer.parameters(recurse=False)]
    if len(owned) != len(set(owned)):  # tied weights: their slopes add up before the length
        return None
    return layers if all(_is_readable(layer) for layer in layers) else None


def _is_readable(layer: nn.Module) -> bool:
    """Return whether a layer is of a known kind itself, for a subclass may use its weights in another way."""
    if type(layer) is nn.Conv2d:
        return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if type(layer) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        return bool(getattr(layer, "track_running_stats", False))
    return type(layer) is nn.Linear


class _Watched:
    """A forward pass that remembers what went into each layer and what came out."""

    def __init__(self, layers: list[nn.Module]) -> None:
        self.layers = layers
        self.squares: list[Square] = []
        self.outputs: list[Tensor] = []
        self.once = False  # whether each layer was used exactly once, with a row an image

    def run(self, model: nn.Module, images: Tensor) -> Tensor:
        seen: list[nn.Module] = []

        def watch(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            seen.append(layer)
            if len(inputs[0]) != len(images):  # rows of several images, or of parts of images
                seen.append(layer)
                return output
            self.squares.append(_square(layer, inputs[0].detach()))
            output = output if output.requires_grad else output.requires_grad_()
            self.outputs.append(output)
            return output.clone()  # an in-place layer behind must not change what is remembered

        handles = [layer.register_forward_hook(watch) for layer in self.layers]
        try:
            logits = torch.as_tensor(model(images))
        finally:
            for handle in handles:
                handle.remove()
        self.once = sorted(map(id, seen)) == sorted(map(id, self.layers))
        return logits

    def lengths(self, logits: Tensor, mix: Tensor) -> Tensor:
        """Return the lengths (B,) for one mix (B, K)."""
        slopes = torch.autograd.grad((logits * mix).sum(), self.outputs, retain_graph=True)
        parts = [square(slope) for square, slope in zip(self.squares, slopes, strict=True)]
        return torch.stack(parts).sum(dim=0).sqrt()


def _square(layer: nn.Module, given: Tensor) -> Square:
    """Return the function from a layer's slopes to its share of the squared lengths, float64 (B,)."""
    bias = getattr(layer, "bias", None) is not None
    if isinstance(layer, nn.Conv2d):
        padding = (int(layer.padding[0]), int(layer.padding[1]))
        columns = functional.unfold(given, layer.kernel_size, layer.dilation, padding, layer.stride)  # (B, CKK, T)
        return lambda slope: _of_products(slope.flatten(2), columns, bias=bias)
    if isinstance(layer, _BatchNorm):
        return _normalized(layer, given)
    rows = given.reshape(len(given), -1, given.shape[-1]).transpose(1, 2)  # (B, D, T)
    return lambda slope: _of_products(slope.reshape(len(slope), -1, slope.shape[-1]).transpose(1, 2), rows, bias=bias)


def _of_products(slope: Tensor, given: Tensor, *, bias: bool) -> Tensor:
    """Return |slope given^T|^2 (B,), plus the bias's share, of (B, O, T) and (B, D, T)."""
    if slope.shape[2] == 1:
        weights = slope.double().square().sum((1, 2)) * given.double().square().sum((1, 2))
    else:
        weights = torch.bmm(slope, given.transpose(1, 2)).double().square().sum((1, 2))
    return weights + slope.double().sum(2).square().sum(1) if bias else weights


def _normalized(layer: _BatchNorm, given: Tensor) -> Square:
    shape = (1, -1, *[1] * (given.ndim - 2))
    mean, variance = torch.as_tensor(layer.running_mean), torch.as_tensor(layer.running_var)
    standard = (given - mean.view(shape)) / (variance.view(shape) + layer.eps).sqrt()  # (B, C, ...)

    def square(slope: Tensor) -> Tensor:
        weight = (slope * standard).flatten(2).double().sum(2) if given.ndim > 2 else (slope * standard).double()
        bias = slope.flatten(2).double().sum(2) if given.ndim > 2 else slope.double()
        return weight.square().sum(1) + bias.square().sum(1) if layer.affine else weight.new_zeros(len(weight))

    return square


def _one_by_one(model: nn.Module, images: Tensor, mixes: Tensor) -> Tensor:
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}
    buffers = {name: buffer.detach() for name, buffer in model.named_buffers()}

    def slopes(mix: Tensor, image: Tensor) -> dict[str, Tensor]:
        def mixed(parameters: dict[str, Tensor]) -> Tensor:
            logits = functional_call(model, (parameters, buffers), (image[None],))[0]  # (K,)
            return torch.as_tensor((logits * mix).sum())

        found: dict[str, Tensor] = grad(mixed)(weights)
        return found

    step = max(1, _BYTES // (4 * sum(weight.numel() for weight in weights.values())))
    lengths = images.new_zeros(mixes.shape[:2], dtype=torch.float64)
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        for place in range(mixes.shape[1]):
            found = vmap(slopes)(mixes[part, place], images[part])
            square = sum(slope.flatten(1).double().square().sum(dim=1) for slope in found.values())
            lengths[part, place] = torch.as_tensor(square).sqrt()
    return lengths
