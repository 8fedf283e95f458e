"""The teacher: a small head on a low layer of Whisper's encoder, trained on measured lips (torch, offline).

The lower the layer, the better the head carries over to people it never saw (figures: README.md), so the second of the six
blocks is heard, frozen. Heads of several seeds are averaged. Output at 50 Hz: opening and width in the units of clips.py.
"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from scipy.signal import resample_poly

import whisper_ear

LAYER = 1
WINDOW, RIM = 200, 25  # frames of 20 ms: windows of 4 s, of which 3 s are kept
STEPS, BATCH, CROP = 600, 24, 100  # crops of 100 frames = 2 s
SEEDS = (0, 1, 2, 3)


class Head(nn.Module):
    """[B, T, C] -> [B, T, 2], T at 50 Hz; sees 120 ms to both sides."""

    def __init__(self, mean, deviation, hidden=96):
        super().__init__()
        self.register_buffer('mean', mean)
        self.register_buffer('deviation', deviation)
        self.first = nn.Linear(len(mean), hidden)
        self.near = nn.Conv1d(hidden, hidden, 5, padding=2)
        self.wide = nn.Conv1d(hidden, hidden, 5, padding=4, dilation=2)
        self.last = nn.Linear(hidden, 2)

    def forward(self, x):
        drop = lambda t, p: F.dropout(t, p, self.training)
        x = drop((x - self.mean) / self.deviation, 0.2)
        h = drop(F.gelu(self.first(x)), 0.3).transpose(1, 2)
        h = h + drop(F.gelu(self.near(h)), 0.3)
        h = h + drop(F.gelu(self.wide(h)), 0.3)
        return torch.sigmoid(self.last(h.transpose(1, 2)))


def ear(path):
    return whisper_ear.Encoder(path, LAYER + 1)


def hear(encoder, pcm, shift=0):
    """
    float32 16 kHz -> float16 [n at 50 Hz, 512], n = samples // 320. What a layer says depends on the place in the window and on
    all that is in it, so sound of any length is heard through short windows like those of the clips that the head learnt from:
    each gives its middle. `shift` (frames) moves the windows.
    """
    frames = len(pcm) // 320
    windows = range(-RIM - shift, frames, WINDOW - 2 * RIM)
    out = np.zeros((frames, encoder.width), np.float16)
    for group in range(0, len(windows), 16):
        starts = windows[group:group + 16]
        batch = np.zeros((len(starts), WINDOW * 320), np.float32)
        for row, start in zip(batch, starts):
            piece = pcm[max(0, start * 320):(start + WINDOW) * 320]
            lead = max(0, -start * 320)
            row[lead:lead + len(piece)] = piece
        heard = encoder(torch.stack([whisper_ear.mel(row) for row in batch]))[LAYER].half().numpy()
        for row, start in zip(heard, starts):
            first, last = max(0, start + RIM), min(frames, start + WINDOW - RIM)
            out[first:last] = row[first - start:last - start]
    return out


def stretched(clip, percent):
    """The clip spoken slower (percent > 100) or faster, pitch and formants moved with it; noise and level disturbed by `random`."""
    pcm = resample_poly(clip['pcm'].astype(np.float64), percent, 100).astype(np.float32)
    at = np.arange(len(pcm) // 160) * 100 / percent
    curve = lambda values: np.interp(at, np.arange(len(values)), values).astype(np.float32)
    return {**clip, 'pcm': pcm, 'open': curve(clip['open']), 'width': curve(clip['width'])}


def disturbed(pcm, random):
    """Quieter or a little louder, with white noise 10 to 35 dB below."""
    pcm = pcm * 10 ** random.uniform(-1, 0.2)
    noise = random.normal(size=len(pcm)) * np.sqrt((pcm ** 2).mean()) * 10 ** (-random.uniform(10, 35) / 20)
    return (pcm + noise).astype(np.float32)


def examples(encoder, clips, random):
    """Each clip as it is, faster and slower: a list of [(heard [n, 512], lips [n, 2])] a clip."""
    rows = []
    for clip in clips:
        takes = [clip, stretched(clip, int(random.integers(84, 97))), stretched(clip, int(random.integers(104, 122)))]
        row = []
        for i, take in enumerate(takes):
            # The first plain, in the middle of a window; the others anywhere in theirs.
            pcm, shift = (disturbed(take['pcm'], random), int(random.integers(0, WINDOW - 2 * RIM))) if i else (take['pcm'], 0)
            heard = hear(encoder, pcm, shift).astype(np.float32)
            lips = np.stack([take['open'][::2], take['width'][::2]], -1)
            n = min(len(heard), len(lips))
            row.append((torch.tensor(heard[:n]), torch.tensor(lips[:n])))
        rows.append(row)
    return rows


def train_head(rows, seed):
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    plain = torch.cat([row[0][0] for row in rows])
    head = Head(plain.mean(0), plain.std(0) + 1e-3)
    optimiser = torch.optim.AdamW(head.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        crops = []
        while len(crops) < BATCH:
            heard, lips = rows[random.integers(len(rows))][random.integers(3)]
            if len(heard) >= CROP:
                at = random.integers(0, len(heard) - CROP + 1)
                crops.append((heard[at:at + CROP], lips[at:at + CROP]))
        guess, lips = head(torch.stack([c[0] for c in crops])), torch.stack([c[1] for c in crops])
        loss = F.mse_loss(guess[..., 0], lips[..., 0]) + 0.3 * F.mse_loss(guess[..., 1], lips[..., 1])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return head.eval()


class Teacher:
    def __init__(self, encoder, clips):
        rows = examples(encoder, clips, np.random.default_rng(5))
        self.heads = [train_head(rows, seed) for seed in SEEDS]

    @torch.no_grad()
    def lips(self, heard):
        """[n, 512] -> float32 [n, 2] at 50 Hz, in pieces: long sound would not fit at once."""
        out, piece, rim = [], 20000, 20
        for at in range(0, len(heard), piece):
            first = max(0, at - rim)
            part = torch.tensor(np.asarray(heard[first:at + piece + rim], np.float32))[None]
            mean = torch.stack([head(part)[0] for head in self.heads]).mean(0).numpy()
            out.append(mean[at - first:at - first + piece])
        return np.concatenate(out)
