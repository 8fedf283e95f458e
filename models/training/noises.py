"""Sound without a voice, for which the mouth rests: music of Debian's asterisk-moh-opsound-g722 (CC BY-SA 3.0) and noises made here."""
import numpy as np
from scipy.signal import lfilter

import clips
from mel import log_mel

RATE = 16000
PIECE_S = 20


def coloured(random, seconds):
    """Noise whose power falls by 0 to 9 dB an octave."""
    n = int(seconds * RATE)
    spectrum = np.fft.rfft(random.normal(size=n))
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 40)
    return np.fft.irfft(spectrum * (hz / 1000) ** (-random.uniform(0, 1.5)), n)


def breath(random, seconds):
    """Air through a throat: noise with two or three resonances, in and out."""
    sound = coloured(random, seconds)
    for _ in range(random.integers(2, 4)):
        centre, band = random.uniform(400, 3500), random.uniform(200, 900)
        pole = np.exp(-np.pi * band / RATE)
        sound = lfilter([1 - pole], [1, -2 * pole * np.cos(2 * np.pi * centre / RATE), pole ** 2], sound)
    times = np.arange(len(sound)) / RATE
    return sound * np.maximum(0, np.sin(2 * np.pi * times / random.uniform(1, 4) + random.uniform(0, 6))) ** random.uniform(0.7, 3)


def hum(random, seconds):
    times = np.arange(int(seconds * RATE)) / RATE
    base = random.choice([50, 60]) * random.choice([1, 2]) * random.uniform(0.98, 1.02)
    return sum(np.sin(2 * np.pi * base * k * times + random.uniform(0, 6)) * random.uniform(0, 1) / k ** random.uniform(0.3, 1.5)
               for k in range(1, random.integers(3, 20)))


def clicks(random, seconds):
    sound = np.zeros(int(seconds * RATE))
    for _ in range(int(seconds * random.uniform(1, 12))):
        length = int(random.uniform(0.003, 0.06) * RATE)
        at = random.integers(0, len(sound) - length)
        sound[at:at + length] += random.normal(size=length) * np.exp(-np.arange(length) / length * random.uniform(2, 8)) * random.uniform(0.2, 1)
    return lfilter([1, -random.uniform(-0.9, 0.9)], [1], sound)


def notes(random, seconds):
    """Chords and runs of plucked, bowed and blown tones, with drums or without."""
    sound = np.zeros(int(seconds * RATE))
    beat = random.uniform(0.15, 1.2)
    for at_s in np.arange(0, seconds - beat, beat):
        for _ in range(random.integers(0, 5)):
            length = int(min(random.uniform(0.5, 3) * beat, seconds - at_s) * RATE)
            times = np.arange(length) / RATE
            hz = 55 * 2 ** (random.integers(0, 56) / 12)
            tone = sum(np.sin(2 * np.pi * hz * k * times + random.uniform(0, 6)) / k ** random.uniform(0.6, 2) for k in range(1, random.integers(2, 10)))
            shape = np.minimum(1, times / random.uniform(0.003, 0.1)) * np.exp(-times * random.uniform(0, 6))
            at = int(at_s * RATE)
            sound[at:at + length] += (tone * shape)[:len(sound) - at] * random.uniform(0.2, 1)
        if random.random() < 0.6:
            length = int(min(random.uniform(0.05, 0.3), seconds - at_s) * RATE)
            times = np.arange(length) / RATE
            drum = random.normal(size=length) * random.uniform(0, 1) + np.sin(2 * np.pi * random.uniform(50, 200) * times) * random.uniform(0, 2)
            at = int(at_s * RATE)
            sound[at:at + length] += (drum * np.exp(-times * random.uniform(10, 40)))[:len(sound) - at] * random.uniform(0.5, 2)
    return sound


def rest(pcm):
    mel = log_mel(pcm)
    n = len(mel) // 2 * 2
    table = np.zeros((n, 5), np.float16)
    table[:, 1] = 0.2
    return {'mel': mel[:n].astype(np.float16), 'open': np.zeros(n, np.float32), 'spread': np.full(n, 0.2, np.float32), 'table': table,
            'phone': np.zeros(n, np.int8), 'voice': np.zeros(n, np.float32), 'heard': None, 'part': 'rest', 'speaker': 'rest'}


def items(music_paths, random):
    made = []
    for path in sorted(music_paths):
        pcm = clips.decode(path, ('-f', 'g722')) / 32768
        made += [rest(pcm[at:at + PIECE_S * RATE]) for at in range(0, len(pcm) - RATE, PIECE_S * RATE)]
    for kind in (coloured, hum, clicks, notes, notes, breath, breath, breath, breath, breath):
        for _ in range(10):
            sound = kind(random, PIECE_S)
            sound = sound / np.sqrt((sound ** 2).mean()) * 10 ** (random.uniform(-45, -14) / 20)
            made.append(rest(np.clip(sound, -1, 1)))
    return made
