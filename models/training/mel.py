"""Log-mel picture of speech: 16 kHz, 40 bands, 25 ms Hann windows, 10 ms hop. Twin of src/engine/cpu/log-mel.ts.

Frame k looks at samples [160 k - 200, 160 k + 200): its middle is media time k * 10 ms. Sound before the start is zero.
Value = (ln(power + 1e-8) + 10) / 4, power normalised so that a full-scale sine on a bin gives 0.25 before the mel sum.
"""
import numpy as np

SAMPLE_RATE, WINDOW, HOP, FFT, BANDS = 16000, 400, 160, 512, 40
LOW_HZ, HIGH_HZ = 60.0, 7600.0


def _filters():
    to_mel = lambda hz: 2595 * np.log10(1 + hz / 700)
    edges = 700 * (10 ** (np.linspace(to_mel(LOW_HZ), to_mel(HIGH_HZ), BANDS + 2) / 2595) - 1)
    hz = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    rise = (hz[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - hz[None]) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rise, fall))


FILTERS = _filters()
HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)


def log_mel(pcm):
    """pcm float [-1, 1] -> float32 [frames, 40]; as many frames as have all their samples."""
    padded = np.concatenate([np.zeros(WINDOW // 2), pcm])
    count = (len(padded) - WINDOW) // HOP + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    power = np.abs(np.fft.rfft(windows * HANN, FFT)) ** 2 / HANN.sum() ** 2
    return ((np.log(power @ FILTERS.T + 1e-8) + 10) / 4).astype(np.float32)
