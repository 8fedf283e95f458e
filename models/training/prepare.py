"""Turns sound and labels into training arrays at 100 frames a second.

usage: prepare.py SYNTH.pkl LIPS_DIR LABEL_DIR FFMPEG OUT.pkl [TALKING_DIR]

Items: {'mel' [n, 40], 'phone' [n] or None, 'shape' [n, 4] or None (hand table), 'open' [n] or None (measured lips, 0 to 1),
'width' [n] or None, 'speaker', 'part': 'synth' | 'train' | 'held' | 'talk' | 'face'}.
TALKING_DIR is for evaluation only; nothing of it reaches the weights.
"""
import glob
import os
import pickle
import subprocess
import sys

import numpy as np
import soundfile
from scipy.ndimage import gaussian_filter1d

from head_frame import opening, width
from mel import log_mel
from phones import FLITE, frame_classes, frame_shapes, spread_over

HELD_OUT = ('spkD', 'spkH', 'spkL', 'spkP')  # never trained on, and clips of talker 1 whose name starts with 's'


def decode(ffmpeg, path):
    raw = subprocess.run([ffmpeg, '-v', 'error', '-i', path, '-vn', '-ac', '1', '-ar', '16000', '-f', 's16le', '-'],
                         capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.int16) / 32768


def word_phones(word, cache={}):
    """Phones of a word with flite's own relative lengths, 0 to 1, without its pauses."""
    if word not in cache:
        shown = subprocess.run(['flite', '-voice', 'slt', '-psdur', '-t', word, 'none'], capture_output=True, text=True).stdout
        rows, start = [], 0.0
        for item in shown.split():
            name, end = item.rsplit(':', 1)
            if name != 'pau':
                rows.append((name, start, float(end)))
            start = float(end)
        first, last = rows[0][1], rows[-1][2]
        cache[word] = [(n, (s - first) / (last - first), (e - first) / (last - first)) for n, s, e in rows]
    return cache[word]


def grid_segments(path):
    segments = []
    for line in open(path):
        start, end, word = line.split()
        start, end = int(start) / 25000, int(end) / 25000
        if word in ('sil', 'sp'):
            segments.append(('sil', start, end))
            continue
        for name, a, b in word_phones({'a': 'eh'}.get(word, word)):
            segments += spread_over(FLITE[name], start + a * (end - start), start + b * (end - start))
    return segments


def to_100hz(values, fps, frames):
    return np.interp(np.arange(frames) / 100, (np.arange(len(values)) + 0.5) / fps, values).astype(np.float32)


def normalised(items):
    """Opening and width of one speaker to 0..1: rest at 0, the 97th percentile at 0.75."""
    every = np.concatenate([item['open'] for item in items])
    low, high = np.percentile(every, 3), np.percentile(every, 97)
    wide = np.concatenate([item['width'] for item in items])
    rest, spread = np.median(wide), wide.std()
    for item in items:
        item['open'] = np.clip((item['open'] - low) / max(high - low, 0.05) * 0.75, 0, 1).astype(np.float32)
        item['width'] = np.clip((item['width'] - rest) / (4 * spread + 1e-6) + 0.3, 0, 1).astype(np.float32)


def lips_of(video, labels, ffmpeg, part, speaker):
    item = np.load(labels)
    landmarks = item['landmarks'].astype(np.float64)
    ok = np.isfinite(landmarks[:, 0, 0])
    mel = log_mel(decode(ffmpeg, video))
    iod = np.linalg.norm(landmarks[:, 263] - landmarks[:, 33], axis=-1)
    fill = lambda v: np.interp(np.arange(len(v)), np.flatnonzero(ok), v[ok])
    count = min(len(mel), int(len(ok) / item['fps'] * 100))
    return {'mel': mel[:count], 'phone': None, 'shape': None, 'open': to_100hz(fill(opening(landmarks) / iod), item['fps'], count),
            'width': to_100hz(fill(width(landmarks) / iod), item['fps'], count), 'speaker': speaker, 'part': part}


def main():
    synth, lips, labels, ffmpeg, out = sys.argv[1:6]
    items = []
    with open(synth, 'rb') as file:
        data = pickle.load(file)
    for at, length, segments in data['index']:
        mel = log_mel(data['pcm'][at:at + length] / 32768)
        items.append({'mel': mel, 'phone': frame_classes(segments, len(mel)), 'shape': frame_shapes(segments, len(mel)),
                      'open': None, 'width': None, 'speaker': 'synth', 'part': 'synth'})

    talker1 = []
    for video in sorted(glob.glob(os.path.join(lips, 'grid-s1', '*.mpg'))):
        name = os.path.splitext(os.path.basename(video))[0]
        item = lips_of(video, os.path.join(labels, 's1', name + '.npz'), ffmpeg, 'held1' if name[0] == 's' else 'train', 's1')
        align = os.path.join(lips, 'grid-s1', 'align', name + '.align')
        if os.path.exists(align):
            segments = grid_segments(align)
            item['phone'], item['shape'] = frame_classes(segments, len(item['mel'])), frame_shapes(segments, len(item['mel']))
        talker1.append(item)
    normalised(talker1)
    items += talker1
    for video in sorted(glob.glob(os.path.join(lips, 'grid-others', '*.mpg'))):
        name = os.path.splitext(os.path.basename(video))[0]
        item = lips_of(video, os.path.join(labels, 'others', name + '.npz'), ffmpeg, 'held' if name in HELD_OUT else 'train', name)
        normalised([item])
        items.append(item)

    # Animation of a Mandarin speaker, 30 fps; channel 74 opens the mouth; the motion is about 33 ms late.
    weights = np.load(os.path.join(lips, 'facegood', 'blendshapes.npz'))
    takes = []
    for name in weights.files:
        path = os.path.join(lips, 'facegood', name + '.flac')
        if not os.path.exists(path):
            continue
        pcm, rate = soundfile.read(path)
        assert rate == 16000
        mel = log_mel(pcm)
        rows = weights[name]
        count = min(len(mel), int(len(rows) / 30 * 100))
        times = np.arange(count) / 100 + 0.033
        opened = np.interp(times, np.arange(len(rows)) / 30, rows[:, 74])
        takes.append({'mel': mel[:count], 'phone': None, 'shape': None, 'open': opened, 'width': np.zeros(count), 'speaker': 'face', 'part': 'face'})
    if takes:
        normalised(takes)
        for take in takes:
            take['width'] = None
        items += takes

    if len(sys.argv) > 6:
        for video in sorted(glob.glob(os.path.join(sys.argv[6], '*.mp4'))):
            name = os.path.splitext(os.path.basename(video))[0]
            item = lips_of(video, os.path.join(labels, 'talk', name + '.npz'), ffmpeg, 'talk', name)
            normalised([item])
            items.append(item)
    with open(out, 'wb') as file:
        pickle.dump(items, file)
    for part in sorted({item['part'] for item in items}):
        own = [item for item in items if item['part'] == part]
        print(part, len(own), 'items', sum(len(item['mel']) for item in own) / 100, 's')


if __name__ == '__main__':
    main()
