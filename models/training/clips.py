"""Real talkers: sound and measured lips of clips that label_lips.py has tracked.

A clip is {'name', 'speaker', 'pcm' float32 16 kHz, 'open' [n], 'width' [n] (100 Hz; per speaker: opening 0 at rest, 0.75 at
the 97th percentile; width 0.3 at the median, 0.25 a standard deviation), 'segments' (phone class, start s, end s) or None}.
Picture k counts as shown from k / fps on, as players do.
"""
import glob
import os
import subprocess

import numpy as np
import soundfile

from head_frame import opening, width
from phones import FLITE, spread_over


def decode(path, extra=()):
    """Any sound file -> int16 16 kHz mono; `extra`: what ffmpeg must be told of the input."""
    raw = subprocess.run(['ffmpeg', '-v', 'error', *extra, '-i', path, '-vn', '-ac', '1', '-ar', '16000', '-f', 's16le', '-'],
                         capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.int16)


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
    """GRID's word alignment (25,000ths of a second) -> phone segments in seconds."""
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


def lips_of(video, labels):
    item = np.load(labels)
    landmarks = item['landmarks'].astype(np.float64)
    fps = float(item['fps'])
    found = np.flatnonzero(np.isfinite(landmarks[:, 0, 0]))
    iod = np.linalg.norm(landmarks[:, 263] - landmarks[:, 33], axis=-1)
    pcm = decode(video).astype(np.float32) / 32768
    frames = min(len(pcm) // 160, int(len(landmarks) / fps * 100))

    def curve(values):
        return np.interp(np.arange(frames) / 100, found / fps, values[found]).astype(np.float32)

    return {'pcm': pcm[:frames * 160], 'open': curve(opening(landmarks) / iod), 'width': curve(width(landmarks) / iod), 'segments': None}


def normalise(clips):
    """Opening and width of one speaker to the units above, in place."""
    every = np.concatenate([clip['open'] for clip in clips])
    low, high = np.percentile(every, 3), np.percentile(every, 97)
    wide = np.concatenate([clip['width'] for clip in clips])
    for clip in clips:
        clip['open'] = np.clip((clip['open'] - low) / max(high - low, 0.03) * 0.75, 0, 1).astype(np.float32)
        clip['width'] = np.clip((clip['width'] - np.median(wide)) / (4 * wide.std() + 1e-6) + 0.3, 0, 1).astype(np.float32)


def load(videos, label_dir, speaker=None, align_dir=None):
    """Every video's clip; `speaker` if all show one person, else each file is another."""
    clips = []
    for video in sorted(videos):
        name = os.path.splitext(os.path.basename(video))[0]
        clip = lips_of(video, os.path.join(label_dir, name + '.npz'))
        clip.update(name=name, speaker=speaker or name)
        if align_dir:
            clip['segments'] = grid_segments(os.path.join(align_dir, name + '.align'))
        clips.append(clip)
    for one in {clip['speaker'] for clip in clips}:
        normalise([clip for clip in clips if clip['speaker'] == one])
    return clips


def grid(data_dir, label_dir):
    """Talker 1 (150 clips with word times) and the eight others (one clip each)."""
    own = os.path.join(data_dir, 'lips', 'grid-s1')
    first = load(glob.glob(os.path.join(own, '*.mpg')), os.path.join(label_dir, 's1'), 's1', os.path.join(own, 'align'))
    return first, load(glob.glob(os.path.join(data_dir, 'lips', 'grid-others', '*.mpg')), os.path.join(label_dir, 'others'))


def talk(data_dir, label_dir):
    """Spontaneous talk, for looking only: nothing of it may reach the weights."""
    return load(glob.glob(os.path.join(data_dir, 'talking', '*.mp4')), os.path.join(label_dir, 'talk'))


def facegood(data_dir):
    """Sound of the Mandarin speaker, float32 a take."""
    return [soundfile.read(path)[0].astype(np.float32) for path in sorted(glob.glob(os.path.join(data_dir, 'lips', 'facegood', '*.flac')))]
