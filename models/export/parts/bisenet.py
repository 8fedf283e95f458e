"""
Face parsing: BiSeNet with a ResNet-18 as its context path (Yu et al. 2018, the variant that takes the spatial detail
from the ResNet's 1/8 features). Names are those of the public training code behind
`79999_iter.pth`; not tried on that file.
"""
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from checkpoints import fill, find_weights, read_state
from graph import Graph, Input

CLASSES = 19


class ConvBnRelu(nn.Module):
    def __init__(self, inputs, outputs, size=3, padding=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        detail = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(detail + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        for index, (inputs, outputs) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)], start=1):
            blocks = nn.Sequential(BasicBlock(inputs, outputs, 1 if index == 1 else 2), BasicBlock(outputs, outputs, 1))
            setattr(self, f'layer{index}', blocks)

    def forward(self, x):
        x = self.layer1(F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1))
        eighth = self.layer2(x)
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = ConvBnRelu(inputs, outputs)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = self.conv(x)
        return x * torch.sigmoid(self.bn_atten(self.conv_atten(F.adaptive_avg_pool2d(x, 1))))


class ContextPath(nn.Module):
    def __init__(self):
        super().__init__()
        self.resnet = ResNet18()
        self.arm16 = AttentionRefinement(256, 128)
        self.arm32 = AttentionRefinement(512, 128)
        self.conv_head32 = ConvBnRelu(128, 128)
        self.conv_head16 = ConvBnRelu(128, 128)
        self.conv_avg = ConvBnRelu(512, 128, 1, 0)

    def forward(self, x):
        eighth, sixteenth, last = self.resnet(x)
        # A nearest upsampling of one pixel is a broadcast.
        context = self.arm32(last) + self.conv_avg(F.adaptive_avg_pool2d(last, 1))
        context = self.conv_head32(F.interpolate(context, scale_factor=2.0, mode='nearest'))
        context = self.arm16(sixteenth) + context
        return eighth, self.conv_head16(F.interpolate(context, scale_factor=2.0, mode='nearest'))


class FeatureFusion(nn.Module):
    def __init__(self):
        super().__init__()
        self.convblk = ConvBnRelu(256, 256, 1, 0)
        self.conv1 = nn.Conv2d(256, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 256, 1, bias=False)

    def forward(self, spatial, context):
        x = self.convblk(torch.cat([spatial, context], dim=1))
        return x * torch.sigmoid(self.conv2(F.relu(self.conv1(F.adaptive_avg_pool2d(x, 1))))) + x


class Head(nn.Module):
    def __init__(self, inputs, middle):
        super().__init__()
        self.conv = ConvBnRelu(inputs, middle)
        self.conv_out = nn.Conv2d(middle, CLASSES, 1, bias=False)

    def forward(self, x):
        return self.conv_out(self.conv(x))


class BiSeNet(nn.Module):
    """[b, 3, 512, 512], ImageNet-normalised RGB, to [b, 19, 512, 512]. The two training heads are loaded, not run."""

    def __init__(self):
        super().__init__()
        self.cp = ContextPath()
        self.ffm = FeatureFusion()
        self.conv_out = Head(256, 256)
        self.conv_out16 = Head(128, 64)
        self.conv_out32 = Head(128, 64)

    def forward(self, image):
        labels = self.conv_out(self.ffm(*self.cp(image)))
        return F.interpolate(labels, scale_factor=8.0, mode='bilinear', align_corners=True)


INPUTS = [Input('image', (3, 512, 512))]
OUTPUTS = ['face_parsing_output']


def graph(path: Path) -> Graph:
    network = BiSeNet().eval()
    hint = ', as far as its layout is known here; give 79999_iter.pth, or the network as a ready .onnx.'
    fill(network, read_state(path), 'the face parser BiSeNet-ResNet18', path, hint)
    return Graph('face_parsing', network, INPUTS, OUTPUTS, [find_weights(path)])
