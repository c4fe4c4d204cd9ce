"""Several networks of one architecture as one: stacked parameters, their dropout masks, and one optimizer for all.

The networks run as one program by `torch.func.vmap` over `functional_call` (batched matrix products, grouped
convolutions). Each keeps its own learning rate, since each may begin to cool at another step; torch's own optimizers
have one rate for a tensor, so Adam and AdamW are written out here over whole lists of tensors.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn.modules.batchnorm import _NormBase

from pipeline.models.mc_dropout import dropout_layers
from pipeline.models.state import device_and_type, private_randomness, seed_global
from pipeline.randomness import derive_seed
from pipeline.training.recipes import SupervisedRecipe

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # torch's, and the plain trainer's
_BLOCK = 16  # steps whose dropout masks are drawn at once on a GPU


class _Fed(nn.Module):
    """Stands where a dropout layer was, and multiplies by the next mask that it is given."""

    def __init__(self, feed: list[Iterator[Tensor]]) -> None:
        super().__init__()
        self.feed = feed

    def forward(self, passed: Tensor) -> Tensor:
        """Return the masked input."""
        return passed * next(self.feed[0])


class StackedNetworks:
    """Several networks of one architecture, whose parameters lie in stacks (S, ...).

    Args:
        models: In train mode or not; they are copied, and untouched until `put_back`.
        device: Where to compute.

    Attributes:
        names: Of the parameters.
        parameters: The stacks, (S, ...) each, closed over by the optimizer and changed in place.
    """

    def __init__(self, models: Sequence[nn.Module], device: torch.device) -> None:
        with torch.no_grad():
            stacks, buffers = stack_module_state([model.to(device) for model in models])
        self.names = list(stacks)
        self.parameters = [stack.detach().clone().requires_grad_() for stack in stacks.values()]
        self._buffers = {name: stack[0] for name, stack in buffers.items()}  # constants of the architecture
        self._feed: list[Iterator[Tensor]] = [iter(())]
        self._template = _with_fed_dropout(models[0], self._feed)

    def logits(self, images: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """Return the logits (S, B, K) in train mode of images (S, B, C, H, W), with dropout masks (S, B, ...) each."""

        def one(parameters: list[Tensor], images: Tensor, masks: list[Tensor]) -> Tensor:
            self._feed[0] = iter(masks)
            state = {**dict(zip(self.names, parameters, strict=True)), **self._buffers}
            return torch.as_tensor(functional_call(self._template, state, (images,)))

        return torch.vmap(one, randomness="different")(self.parameters, images, list(masks))

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some of the networks alone."""
        chosen = torch.tensor(places, device=self.parameters[0].device)
        self.parameters = [stack.detach()[chosen].requires_grad_() for stack in self.parameters]

    def put_back(self, place: int, model: nn.Module) -> None:
        """Copy one network's weights into a model."""
        own = dict(model.named_parameters())
        with torch.no_grad():
            for name, stack in zip(self.names, self.parameters, strict=True):
                own[name].copy_(stack[place])


class DropoutMasks:
    """Each network's own dropout, whatever networks it is batched with.

    On a CPU the masks are those of the plain trainer, bit for bit. On a GPU, where the plain trainer's masks are made
    inside its layers, they come from a generator for each network and block of steps: the same for the same seed on
    the same kind of device, others than the plain trainer's.

    Args:
        model: One of the networks.
        images: Shape (B, C, S, S) of a step's images.
        device: Where to compute.
    """

    def __init__(self, model: nn.Module, images: tuple[int, ...], device: torch.device) -> None:
        self.device, self.dtype = device, device_and_type(model)[1]
        self.layers = _dropout_calls(model, images, device)
        self._blocks: dict[int, tuple[int, list[Tensor]]] = {}  # of each seed: its block, and masks (steps, B, ...)

    def draw(self, seeds: Sequence[int], step: int) -> list[Tensor]:
        """Return a mask (S, B, ...) for each dropout layer on the way, one row of it a seed."""
        if not self.layers:
            return []
        drawn = [self._of_seed(seed, step) for seed in seeds]
        return [torch.stack(layer) for layer in zip(*drawn, strict=True)]

    def _of_seed(self, seed: int, step: int) -> list[Tensor]:
        if self.device.type == "cpu":
            seed_global(derive_seed(seed, "dropout", step))
            return [torch.empty(shape, dtype=self.dtype).bernoulli_(keep).div_(keep) for shape, keep in self.layers]
        block, place = divmod(step, _BLOCK)
        if self._blocks.get(seed, (-1, []))[0] != block:
            generator = torch.Generator(self.device).manual_seed(derive_seed(seed, "dropout", "block", block))
            self._blocks[seed] = (block, [self._block(shape, keep, generator) for shape, keep in self.layers])
        return [masks[place] for masks in self._blocks[seed][1]]

    def _block(self, shape: tuple[int, ...], keep: float, generator: torch.Generator) -> Tensor:
        masks = torch.empty(_BLOCK, *shape, dtype=self.dtype, device=self.device)
        return masks.bernoulli_(keep, generator=generator).div_(keep)


class StackedAdam:
    """Adam or AdamW over stacks of parameters (S, ...), with a learning rate for each of the S networks.

    Weights decay as in the plain trainer: what has more than one axis in a single network does, biases do not.

    Args:
        parameters: Changed in place by `step`.
        recipe: Gives the kind and the decay.
    """

    def __init__(self, parameters: Sequence[Tensor], recipe: SupervisedRecipe) -> None:
        self.decoupled = recipe.optimizer == "adamw"
        self.decay = [recipe.weight_decay if stack.ndim > 2 else 0.0 for stack in parameters]
        self.first = [torch.zeros_like(stack) for stack in parameters]
        self.second = [torch.zeros_like(stack) for stack in parameters]

    @torch.no_grad()
    def step(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], factors: Tensor) -> None:
        """Change the parameters.

        Args:
            parameters: The stacks.
            gradients: Theirs.
            factors: (3, S), on the device: learning rate, and the two bias corrections 1 - beta^t, of each network.
        """
        stacks, slopes = list(parameters), list(gradients)
        if not self.decoupled:
            slopes = [slope + decay * stack for slope, stack, decay in zip(slopes, stacks, self.decay, strict=True)]
        torch._foreach_lerp_(self.first, slopes, 1 - _BETAS[0])
        torch._foreach_mul_(self.second, _BETAS[1])
        torch._foreach_addcmul_(self.second, slopes, slopes, 1 - _BETAS[1])
        roots = torch._foreach_sqrt(self.second)
        every = zip(stacks, self.first, roots, self.decay, strict=True)
        for stack, first, root, decay in every:
            rate, one, two = factors.to(stack.dtype).view(3, -1, *[1] * (stack.ndim - 1))  # (S, 1, ...) each
            if self.decoupled and decay:
                stack.mul_(1 - rate * decay)
            stack.sub_(first / (root / two.sqrt() + _EPSILON) * (rate / one))

    def keep(self, places: Sequence[int]) -> None:
        """Go on with some of the networks alone."""
        chosen = torch.tensor(places, device=self.first[0].device)
        self.first = [moment[chosen] for moment in self.first]
        self.second = [moment[chosen] for moment in self.second]


def bias_corrections(step: int) -> tuple[float, float]:
    """Return 1 - beta^t of both moments at a step counted from 0."""
    return 1 - _BETAS[0] ** (step + 1), 1 - _BETAS[1] ** (step + 1)


def stackable(model: nn.Module, images: tuple[int, ...]) -> bool:
    """Return whether a model can be one of a stack: all of it trains, and no layer keeps statistics of its batches.

    Args:
        model: Is left as it is.
        images: Shape (C, S, S) of an image.
    """
    if any(isinstance(layer, _NormBase) for layer in model.modules()):
        return False
    if not all(parameter.requires_grad for parameter in model.parameters()):
        return False
    device, dtype = device_and_type(model)
    try:
        with private_randomness(), torch.no_grad():
            networks = StackedNetworks([model, model], device)
            masks = DropoutMasks(model, (2, *images), device).draw([0, 1], 0)
            networks.logits(torch.zeros(2, 2, *images, device=device, dtype=dtype), masks)
    except (RuntimeError, StopIteration):  # code that vmap cannot follow, such as a branch on a value
        return False
    return True


def _with_fed_dropout(model: nn.Module, feed: list[Iterator[Tensor]]) -> nn.Module:
    template = copy.deepcopy(model).train()
    for name, _ in dropout_layers(template):
        template.set_submodule(name, _Fed(feed))
    return template


def _dropout_calls(
    model: nn.Module, images: tuple[int, ...], device: torch.device
) -> list[tuple[tuple[int, ...], float]]:
    """Return the shape of the mask and the share kept of each dropout layer, in the order in which images pass them."""
    calls: list[tuple[tuple[int, ...], float]] = []

    def note(layer: nn.Module, _: object, out: Tensor) -> None:
        shape = tuple(out.shape)
        if not isinstance(layer, nn.Dropout):  # whole channels
            shape = (*shape[:2], *[1] * (len(shape) - 2))
        calls.append((shape, 1.0 - float(getattr(layer, "p", 0.0))))

    probe = copy.deepcopy(model).to(device).eval()
    handles = [layer.register_forward_hook(note) for _, layer in dropout_layers(probe)]
    with private_randomness(), torch.inference_mode():
        probe(torch.zeros(images, device=device, dtype=device_and_type(probe)[1]))
    for handle in handles:
        handle.remove()
    return calls
