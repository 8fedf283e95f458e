"""
S3FD face detector (Zhang et al. 2017) on VGG-16. Names are those of the face-alignment packages that carry
`s3fd.pth`; not tried on that file.
"""
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from checkpoints import fill, find_weights, read_state
from graph import Graph, Input

# name, inputs, outputs, kernel, stride, padding
LAYERS = [
    ('conv1_1', 3, 64, 3, 1, 1),
    ('conv1_2', 64, 64, 3, 1, 1),
    ('conv2_1', 64, 128, 3, 1, 1),
    ('conv2_2', 128, 128, 3, 1, 1),
    ('conv3_1', 128, 256, 3, 1, 1),
    ('conv3_2', 256, 256, 3, 1, 1),
    ('conv3_3', 256, 256, 3, 1, 1),
    ('conv4_1', 256, 512, 3, 1, 1),
    ('conv4_2', 512, 512, 3, 1, 1),
    ('conv4_3', 512, 512, 3, 1, 1),
    ('conv5_1', 512, 512, 3, 1, 1),
    ('conv5_2', 512, 512, 3, 1, 1),
    ('conv5_3', 512, 512, 3, 1, 1),
    ('fc6', 512, 1024, 3, 1, 3),
    ('fc7', 1024, 1024, 1, 1, 0),
    ('conv6_1', 1024, 256, 1, 1, 0),
    ('conv6_2', 256, 512, 3, 2, 1),
    ('conv7_1', 512, 128, 1, 1, 0),
    ('conv7_2', 128, 256, 3, 2, 1),
]
# Detection levels from stride 4 up: source layer, channels, classes, initial scale of its norm (None: no norm).
LEVELS = [
    ('conv3_3', 256, 4, 10.0),
    ('conv4_3', 512, 2, 8.0),
    ('conv5_3', 512, 2, 5.0),
    ('fc7', 1024, 2, None),
    ('conv6_2', 512, 2, None),
    ('conv7_2', 256, 2, None),
]


class ScaledNorm(nn.Module):
    """Unit length over the channels, then a learned factor a channel."""

    def __init__(self, channels, scale):
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x):
        length = x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10
        return x / length * self.weight.view(1, -1, 1, 1)


class S3fd(nn.Module):
    """
    [b, 3, h, w], RGB minus (104, 117, 123), to (cls, reg) of six levels with strides 4 to 128. cls is not yet a
    probability: 2 channels (background, face), at the first level 4 (three backgrounds, face).
    """

    def __init__(self):
        super().__init__()
        for name, inputs, outputs, size, stride, padding in LAYERS:
            setattr(self, name, nn.Conv2d(inputs, outputs, size, stride, padding))
        for name, channels, classes, scale in LEVELS:
            stem = name
            if scale is not None:
                stem = f'{name}_norm'
                setattr(self, stem, ScaledNorm(channels, scale))
            setattr(self, f'{stem}_mbox_conf', nn.Conv2d(channels, classes, 3, 1, 1))
            setattr(self, f'{stem}_mbox_loc', nn.Conv2d(channels, 4, 3, 1, 1))

    def forward(self, x):
        at = {}
        for name, *_ in LAYERS:
            x = at[name] = F.relu(getattr(self, name)(x))
            if name in ('conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3'):
                x = F.max_pool2d(x, 2, 2)
        found = []
        for name, _, _, scale in LEVELS:
            stem = name if scale is None else f'{name}_norm'
            features = at[name] if scale is None else getattr(self, stem)(at[name])
            found += [getattr(self, f'{stem}_mbox_conf')(features), getattr(self, f'{stem}_mbox_loc')(features)]
        return tuple(found)


INPUTS = [Input('input', (3, 256, 320), free_axes={2: 'height', 3: 'width'})]
OUTPUTS = [f'{kind}{level}' for level in range(6) for kind in ('cls', 'reg')]


def graph(path: Path) -> Graph:
    network = S3fd().eval()
    hint = ', as far as its layout is known here; give s3fd.pth of a face-alignment package, or a ready .onnx.'
    fill(network, read_state(path), 'the face detector S3FD', path, hint)
    return Graph('s3fd', network, INPUTS, OUTPUTS, [find_weights(path)])
