"""The student: the network that ships. Hears 20 ms at a time and keeps its own memory between runs (torch; ONNX to run).

One step takes two frames of log_mel and a memory, and gives two shapes 40 and 30 ms before its newer frame (`mouth`: late, sure)
and two shapes 20 and 30 ms after it (`now`: in time, a guess at what comes next). Eight residual blocks of three taps that only
look back, 20 to 320 ms apart: the memory holds what the taps will read. It hears some 1.6 s.
"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from phones import CLASSES

BANDS = 40
CHANNELS = 160
DILATIONS = (1, 2, 4, 8, 1, 2, 4, 16)  # steps of 20 ms
HEARD_PARTS = 64
# In order: see README.md. shut: the lips touch while somebody speaks; voice: somebody speaks.
OUTPUTS = ('open', 'spread', 'round', 'tuck', 'tongue', 'shut', 'voice')
# Frames from the older frame of a step to the first of its two shapes.
MOUTH_AT, NOW_AT = -4, 3
MEMORY = 2 * sum(DILATIONS)  # rows of CHANNELS


class Block(nn.Module):
    def __init__(self, dilation):
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(CHANNELS)
        self.taps = nn.Linear(3 * CHANNELS, CHANNELS)
        self.mix = nn.Linear(CHANNELS, CHANNELS)
        with torch.no_grad():
            self.mix.weight *= 0.3

    def forward(self, x, before, drop=0.0):
        """x [B, T, C], before [B, 2 dilation, C] -> the same, moved on."""
        y = torch.cat([before, self.norm(x)], 1)
        n, d = x.shape[1], self.dilation
        h = F.gelu(self.taps(torch.cat([y[:, :n], y[:, d:n + d], y[:, 2 * d:]], -1)))
        if drop:
            h = h * (torch.rand(h.shape[0], 1, h.shape[2]) > drop) / (1 - drop)
        return x + self.mix(h), y[:, n:]


class Student(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2 * BANDS, CHANNELS)
        self.blocks = nn.ModuleList(Block(d) for d in DILATIONS)
        self.norm = nn.LayerNorm(CHANNELS)
        head = lambda: nn.Sequential(nn.Linear(CHANNELS, 96), nn.GELU(), nn.Linear(96, 2 * len(OUTPUTS)))
        self.mouth, self.now = head(), head()
        # For training only: what a phone or Whisper's ear says at the time of `mouth`.
        self.phone = nn.Linear(CHANNELS, len(CLASSES))
        self.heard = nn.Linear(CHANNELS, HEARD_PARTS)

    def hidden(self, mel, memory, drop=0.0):
        """mel [B, T, 80] (two frames a step), memory [B, MEMORY, C] -> hidden [B, T, C], memory"""
        x, left, at = self.first(mel), [], 0
        for block in self.blocks:
            x, after = block(x, memory[:, at:at + 2 * block.dilation], drop)
            left.append(after)
            at += 2 * block.dilation
        return self.norm(x), torch.cat(left, 1)

    def forward(self, mel, memory):
        h, memory = self.hidden(mel, memory)
        shapes = lambda head: torch.sigmoid(head(h)).reshape(*h.shape[:2], 2, len(OUTPUTS))
        return shapes(self.mouth), shapes(self.now), memory

    @staticmethod
    def blank(batch):
        return torch.zeros(batch, MEMORY, CHANNELS)


class Step(nn.Module):
    """mel [2, 40], memory [MEMORY, C] -> mouth [2, 7], now [2, 7], next memory"""

    def __init__(self, student):
        super().__init__()
        self.student = student

    def forward(self, mel, memory):
        mouth, now, after = self.student(mel.reshape(1, 1, 2 * BANDS), memory[None])
        return mouth[0, 0], now[0, 0], after[0]


def shapes_of(student, mel, late=True):
    """Log-mel [n, 40] -> shapes [m, 7]; the k-th belongs to frame k. As the product runs it, but in one go."""
    mel = np.asarray(mel, np.float32)
    tail = np.full((12, BANDS), np.log(1e-8) / 4 + 2.5, np.float32)
    whole = np.concatenate([mel[:len(mel) // 2 * 2], tail])
    with torch.no_grad():
        mouth, now, _ = student(torch.tensor(whole).reshape(1, -1, 2 * BANDS), student.blank(1))
    flat = (mouth if late else now)[0].reshape(-1, len(OUTPUTS)).numpy()
    return flat[-MOUTH_AT:][:len(mel)] if late else np.concatenate([np.repeat(flat[:1], NOW_AT, 0), flat])[:len(mel)]


def export(student, path):
    """Writes ONNX (opset 17) and checks that it says what torch says, step by step."""
    import onnx
    import onnxruntime
    step = Step(student).eval()
    mel, memory = torch.randn(2, BANDS), torch.zeros(MEMORY, CHANNELS)
    torch.onnx.export(step, (mel, memory), path, opset_version=17, dynamo=False,
                      input_names=['mel', 'memory'], output_names=['mouth', 'now', 'next'])
    model = onnx.load(path)
    model.producer_name, model.producer_version = 'musecast', ''
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    picture = torch.randn(40, BANDS)
    with torch.no_grad():
        wanted = [t[0].reshape(-1, len(OUTPUTS)).numpy() for t in student(picture.reshape(1, -1, 2 * BANDS), student.blank(1))[:2]]
    state, got = memory.numpy(), ([], [])
    for at in range(0, len(picture), 2):
        mouth, now, state = session.run(None, {'mel': picture[at:at + 2].numpy(), 'memory': state})
        got[0].append(mouth), got[1].append(now)
    worst = max(np.abs(np.concatenate(g) - w).max() for g, w in zip(got, wanted))
    assert worst < 1e-4, f'the exported network differs by {worst}'
    return worst
