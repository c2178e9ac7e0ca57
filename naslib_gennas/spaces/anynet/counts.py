"""Parameters and FLOPs of the full-size networks of the AnyNet spaces, counted without building them."""

from __future__ import annotations

from .encoding import BOTTLENECK, PLAIN, AnyNetArchitecture, stem_layers

NORM_FLOPS = 5  # per element that a BatchNorm sees, in the ``flops`` of the records


def counts(arch: AnyNetArchitecture, size: int, classes: int) -> tuple[int, int]:
    """(parameters, FLOPs) of the classification network on images of ``size`` pixels a side.

    FLOPs of NDS: multiply-accumulates of convolutions and the classifier, its bias, and five for each element
    that a BatchNorm sees. Inferred from the records, all of which it reproduces.

    >>> from naslib_gennas.spaces.anynet.encoding import BASIC
    >>> resnet_18 = AnyNetArchitecture(BASIC, (), (1, 2, 2, 2, 2), (), (4, 1, 2, 2, 2), (64, 64, 128, 256, 512))
    >>> counts(resnet_18, size=224, classes=1000)[0]
    11689512
    """
    parameters = flops = 0

    def conv(inputs: int, outputs: int, kernel: int, side: int, groups: int = 1) -> None:
        nonlocal parameters, flops
        weights = inputs * outputs * kernel * kernel // groups
        parameters += weights + 2 * outputs
        flops += (weights + NORM_FLOPS * outputs) * side * side

    for inputs, outputs, kernel, stride, pool in stem_layers(arch):
        size = -(-size // stride)
        conv(inputs, outputs, kernel, size)
        size = -(-size // pool)
    width = arch.ws[0]
    for stage in range(1, len(arch.ds)):
        outputs, inner, groups = arch.ws[stage], arch.inner(stage), arch.groups()[stage]
        for block in range(arch.ds[stage]):
            stride = 1 if block else arch.ss[stage]
            out = -(-size // stride)
            if arch.block_type == BOTTLENECK:
                conv(width, inner, 1, size)
                conv(inner, inner, 3, out, groups)
                conv(inner, outputs, 1, out)
            else:
                conv(width, outputs, 3, out)
                conv(outputs, outputs, 3, out)
            if arch.block_type != PLAIN and (stride > 1 or width != outputs):
                conv(width, outputs, 1, out)
            width, size = outputs, out
    return parameters + (width + 1) * classes, flops + (width + 1) * classes
