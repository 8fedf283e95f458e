"""Everything the student hears, with what it should say: gathers voices, music and noise, the teacher's lips and the phones.

usage: sounds.py WORK DATA_DIR      WORK holds what rebuild.sh made before

Writes WORK/sounds.pkl: a list of items at 100 Hz,
{'mel' float16 [n, 40], 'open' [n], 'spread' [n], 'table' float16 [n, 5] or None, 'phone' int8 [n] or None, 'voice' [n] (somebody
speaks), 'heard' float16 [n / 2, 64] or None (what Whisper's layer says, 64 principal components), 'part', 'speaker'}.
part: synth (phones known), recorded, talker1, others (measured lips), rest (no voice). The lips of synth and recorded are the
teacher's, which knows talker 1 only.
"""
import glob
import os
import pickle
import sys

import numpy as np
import torch
from scipy.ndimage import binary_closing, binary_dilation, gaussian_filter1d

import clips
import noises
import teacher
from mel import log_mel
from phones import frame_classes, frame_shapes

MUSIC = 'packages/usr/share/asterisk/moh/*.g722'
HEARD_PARTS = 64
# A word's own silences (a stop before it bursts) are voice, too.
WORD_GAP = 12


def voice_by_level(mel):
    """Within 30 dB of the loudest, gaps closed."""
    loud = np.log(np.exp(mel.astype(np.float32) * 4 - 10).sum(1) + 1e-10)
    return closed(loud > np.percentile(loud, 97) - 6.5)


def closed(speech):
    padded = np.pad(speech, WORD_GAP)
    return binary_closing(padded, iterations=WORD_GAP // 2)[WORD_GAP:-WORD_GAP]


def rested(opened, voice):
    """People part their lips long before they speak; an avatar should rest. Far from speech the wanted opening is 0."""
    near = binary_dilation(voice, iterations=12)
    return opened * gaussian_filter1d(near.astype(np.float32), 2)


def shut_at_lips(opened, segments):
    """Lips of p, b and m touch in the middle of the phone; the teacher is shy of it."""
    times = np.arange(len(opened)) / 100
    factor = np.ones(len(opened))
    for name, start, end in segments:
        if name in ('PB', 'M'):
            half = min(0.5 * (end - start), 0.03)
            distance = np.abs(times - (start + end) / 2)
            factor = np.minimum(factor, np.clip((distance - half) / 0.04, 0, 1))
    return opened * factor


def item(pcm, part, speaker, lips=None, segments=None, heard=None):
    """lips: (opening, width) at 100 Hz or longer, cut to the sound."""
    mel = log_mel(pcm)
    n = len(mel) // 2 * 2
    mel = mel[:n]
    phone = frame_classes(segments, n) if segments is not None else None
    voice = closed(phone > 0) if part == 'synth' else voice_by_level(mel)
    opened, wide = (np.asarray(curve[:n], np.float32) for curve in lips)
    assert len(opened) == n, (len(opened), n)
    spread = np.clip(wide - 0.1, 0, 1)  # rest: 0.2
    table = frame_shapes(segments, n) if segments is not None else None
    if part == 'synth':
        opened = shut_at_lips(opened, segments)
        spread = 0.5 * spread + 0.5 * table[:, 1]
    return {'mel': mel.astype(np.float16), 'open': rested(opened, voice).astype(np.float32), 'spread': spread.astype(np.float32),
            'table': table.astype(np.float16) if table is not None else None, 'phone': phone.astype(np.int8) if phone is not None else None,
            'voice': voice.astype(np.float32), 'heard': heard, 'part': part, 'speaker': speaker}


def principal(heard):
    """Mean [512], directions [512, 64] of unit deviation, from a sample."""
    sample = np.asarray(heard[::37], np.float32)
    mean = sample.mean(0)
    _, s, directions = np.linalg.svd(sample - mean, full_matrices=False)
    return mean, (directions[:HEARD_PARTS] / (s[:HEARD_PARTS, None] / np.sqrt(len(sample)))).T.astype(np.float32)


def listened(encoder, pcm, cache):
    """What the ear says, kept in a file: by far the longest part of this script."""
    if not os.path.exists(cache):
        np.save(cache, teacher.hear(encoder, pcm))
    return np.load(cache, mmap_mode='r')


def unlabelled(work, data_dir):
    """(name, pcm float32, [(first sample, samples, segments or None)] an item)"""
    for name in ('synth', 'festival', 'recorded'):
        with open(os.path.join(work, name + '.pkl'), 'rb') as file:
            data = pickle.load(file)
        yield name, data['pcm'].astype(np.float32) / 32768, data['index']
    takes = clips.facegood(data_dir)
    ends = np.cumsum([len(take) for take in takes])
    yield 'facegood', np.concatenate(takes), [(end - len(take), len(take), None) for end, take in zip(ends, takes)]


def main():
    work, data_dir = sys.argv[1:3]
    torch.manual_seed(0)
    encoder = teacher.ear(os.path.join(work, 'whisper.bin'))
    first, others = clips.grid(data_dir, os.path.join(work, 'labels'))
    taught = teacher.Teacher(encoder, first)
    sources = [(name, pcm, index, listened(encoder, pcm, os.path.join(work, f'heard-{name}.npy')))
               for name, pcm, index in unlabelled(work, data_dir)]
    mean, directions = principal(np.concatenate([np.asarray(heard[::3]) for *_, heard in sources]))
    parts = lambda heard: ((np.asarray(heard, np.float32) - mean) @ directions).astype(np.float16)
    items = []
    for name, pcm, index, heard in sources:
        lips = taught.lips(heard)
        for at, length, segments in index:
            # Frames of the ear stand every 320 samples from the start of the whole; a sound starts between two of them.
            frames = np.arange(at / 320, (at + length) / 320 + 2, 0.5)
            curves = [np.interp(frames, np.arange(len(lips)), column) for column in lips.T]
            made = item(pcm[at:at + length], 'synth' if segments is not None else 'recorded', name, curves, segments)
            row = np.clip(np.round(frames[:len(made['mel']):2]).astype(int), 0, len(heard) - 1)
            items.append({**made, 'heard': parts(heard[row])})
        print(name, len(index), 'items', len(pcm) / 16000, 's', flush=True)
    for part, own in (('talker1', first), ('others', others)):
        for clip in own:
            made = item(clip['pcm'], part, clip['speaker'], (clip['open'], clip['width']), clip['segments'])
            items.append({**made, 'heard': parts(teacher.hear(encoder, clip['pcm'])[:len(made['mel']) // 2])})
    items += noises.items(glob.glob(os.path.join(work, MUSIC)), np.random.default_rng(11))
    with open(os.path.join(work, 'sounds.pkl'), 'wb') as file:
        pickle.dump(items, file)
    for part in sorted({one['part'] for one in items}):
        print(part, sum(len(one['mel']) for one in items if one['part'] == part) / 6000, 'min')


if __name__ == '__main__':
    main()
