"""
DWPose: RTMPose-l (Jiang et al. 2023), whole body, 133 points, 384 x 288: a CSPNeXt backbone and a SimCC head with one
gated attention unit. Names are those that mmpose's modules give; not tried on the published checkpoint.
"""
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from checkpoints import fill, find_weights, read_state
from graph import Graph, Input

POINTS, HEIGHT, WIDTH = 133, 384, 288
# inputs, outputs, blocks, residual blocks, with pooling
STAGES = [(64, 128, 3, True, False), (128, 256, 6, True, False), (256, 512, 6, True, False), (512, 1024, 3, False, True)]


class ConvBn(nn.Module):
    def __init__(self, inputs, outputs, size, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.silu(self.bn(self.conv(x)))


class Separable(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.depthwise_conv = ConvBn(channels, channels, 5, groups=channels)
        self.pointwise_conv = ConvBn(channels, channels, 1)

    def forward(self, x):
        return self.pointwise_conv(self.depthwise_conv(x))


class Block(nn.Module):
    def __init__(self, channels, residual):
        super().__init__()
        self.conv1 = ConvBn(channels, channels, 3)
        self.conv2 = Separable(channels)
        self.residual = residual

    def forward(self, x):
        y = self.conv2(self.conv1(x))
        return x + y if self.residual else y


class ChannelAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.fc(F.adaptive_avg_pool2d(x, 1)))


class CrossStage(nn.Module):
    def __init__(self, channels, blocks, residual):
        super().__init__()
        half = channels // 2
        self.main_conv = ConvBn(channels, half, 1)
        self.short_conv = ConvBn(channels, half, 1)
        self.final_conv = ConvBn(channels, channels, 1)
        self.blocks = nn.Sequential(*(Block(half, residual) for _ in range(blocks)))
        self.attention = ChannelAttention(channels)

    def forward(self, x):
        joined = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], dim=1)
        return self.final_conv(self.attention(joined))


class PyramidPooling(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = ConvBn(channels, channels // 2, 1)
        self.conv2 = ConvBn(channels * 2, channels, 1)

    def forward(self, x):
        x = self.conv1(x)
        return self.conv2(torch.cat([x] + [F.max_pool2d(x, size, 1, size // 2) for size in (5, 9, 13)], dim=1))


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(ConvBn(3, 32, 3, 2), ConvBn(32, 32, 3), ConvBn(32, 64, 3))
        for index, (inputs, outputs, blocks, residual, pooling) in enumerate(STAGES, start=1):
            layers = [ConvBn(inputs, outputs, 3, 2)]
            layers += [PyramidPooling(outputs)] if pooling else []
            setattr(self, f'stage{index}', nn.Sequential(*layers, CrossStage(outputs, blocks, residual)))

    def forward(self, x):
        return self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))


class ScaleNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.g = nn.Parameter(torch.ones(1))
        self.scale = width**-0.5

    def forward(self, x):
        length = torch.linalg.vector_norm(x, dim=2, keepdim=True) * self.scale
        return x / length.clamp(min=1e-5) * self.g


class Scale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * self.scale


class GatedAttention(nn.Module):
    WIDTH, INNER, KEY = 256, 512, 128

    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(2, self.KEY))
        self.beta = nn.Parameter(torch.rand(2, self.KEY))
        self.o = nn.Linear(self.INNER, self.WIDTH, bias=False)
        self.uv = nn.Linear(self.WIDTH, 2 * self.INNER + self.KEY, bias=False)
        self.ln = ScaleNorm(self.WIDTH)
        self.res_scale = Scale(self.WIDTH)

    def forward(self, x):
        u, v, base = F.silu(self.uv(self.ln(x))).split([self.INNER, self.INNER, self.KEY], dim=2)
        query = base * self.gamma[0] + self.beta[0]
        key = base * self.gamma[1] + self.beta[1]
        weights = F.relu(query @ key.transpose(1, 2) / self.KEY**0.5).square()
        return self.res_scale(x) + self.o(u * (weights @ v))


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.final_layer = nn.Conv2d(1024, POINTS, 7, padding=3)
        cells = (HEIGHT // 32) * (WIDTH // 32)
        self.mlp = nn.Sequential(ScaleNorm(cells), nn.Linear(cells, 256, bias=False))
        self.gau = GatedAttention()
        self.cls_x = nn.Linear(256, WIDTH * 2, bias=False)
        self.cls_y = nn.Linear(256, HEIGHT * 2, bias=False)

    def forward(self, features):
        x = self.gau(self.mlp(self.final_layer(features).flatten(2)))
        return self.cls_x(x), self.cls_y(x)


class RtmPose(nn.Module):
    """[b, 3, 384, 288], normalised RGB, to SimCC vectors [b, 133, 576] and [b, 133, 768], two bins a pixel."""

    def __init__(self):
        super().__init__()
        self.backbone = Backbone()
        self.head = Head()

    def forward(self, image):
        return self.head(self.backbone(image))


INPUTS = [Input('input', (3, HEIGHT, WIDTH))]
OUTPUTS = ['simcc_x', 'simcc_y']


def graph(path: Path) -> Graph:
    network = RtmPose().eval()
    state = read_state(path)
    # The two-headed training keeps helpers beside the network.
    state = {name: value for name, value in state.items() if name.startswith(('backbone.', 'head.'))} or state
    hint = ', as far as its layout is known here; download dw-ll_ucoco_384.onnx, which is published, and give that.'
    fill(network, state, 'DWPose (RTMPose-l, 133 points)', path, hint)
    return Graph('dw-ll_ucoco_384', network, INPUTS, OUTPUTS, [find_weights(path)])
