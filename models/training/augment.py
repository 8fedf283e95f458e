"""Another voice, room, microphone, tempo and background, painted into a log-mel picture."""
import numpy as np
from scipy.signal import lfilter

SILENCE = np.log(1e-8) / 4 + 2.5
BANDS = np.arange(40)


def tempo(random, length):
    """Frames of an item to read for `length` frames of training: a step of 0.85 to 1.2 frames."""
    return np.arange(length) * (random.uniform(0.85, 1.2) if random.random() < 0.5 else 1.0)


def disturbed(mel, random, background=None, quietest=-10.5):
    """mel [n, 40] float32 -> the same. Its loudest band comes to between `quietest` and -2.5 nepers of power; `background` is a log-mel picture of music or noise of the same length, or None."""
    x = mel * 4 - 10  # natural logarithm of power
    if random.random() < 0.75:
        warp = random.uniform(0.88, 1.14)
        at = np.clip(BANDS * warp + random.uniform(-1, 1), 0, 39)
        low = np.minimum(at.astype(int), 38)
        x = x[:, low] + (x[:, low + 1] - x[:, low]) * (at - low)
    if random.random() < 0.4:  # smear in time: a room's tail
        keep, level = random.uniform(0.5, 0.87), random.uniform(0.05, 0.4)
        power = np.exp(x)
        x = np.log(power * (1 - level) + level * lfilter([1 - keep], [1, -keep], power, axis=0) + 1e-12)
    x = x + random.uniform(-1.2, 1.2) * (BANDS - 20) / 20
    x = x + 0.6 * np.sin(BANDS / 40 * 6.28 * random.uniform(0.5, 2) + random.uniform(0, 6.28)) * random.uniform(0, 1)
    if random.random() < 0.25:  # a dull or a thin microphone
        x[:, random.integers(24, 38):] -= random.uniform(2, 8)
    if random.random() < 0.15:
        x[:, :random.integers(1, 5)] -= random.uniform(2, 6)
    top = np.percentile(x.max(1), 95)
    x = x + (random.uniform(quietest, -2.5) - top)
    if random.random() < 0.3:  # speech that swells and fades
        x = x + 0.8 * np.sin(np.arange(len(x)) / 100 * random.uniform(0.5, 4) + random.uniform(0, 6.28))[:, None]
    top = np.percentile(x.max(1), 95)
    if random.random() < 0.6:  # steady noise
        colour = random.normal() * (BANDS - 20) / 20 * 1.5 + random.normal(size=40) * 0.4
        x = np.logaddexp(x, top - random.uniform(4.5, 14) + colour + random.normal(size=x.shape) * random.uniform(0.2, 0.6))
    if background is not None:
        y = background * 4 - 10
        x = np.logaddexp(x, y - np.percentile(y.max(1), 95) + top - random.uniform(1.5, 6))
    if random.random() < 0.2:
        first = random.integers(0, 36)
        x[:, first:first + random.integers(1, 5)] = x.min()
    return ((np.logaddexp(x, np.log(1e-8)) + 10) / 4).astype(np.float32)
