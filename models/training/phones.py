"""Classes of phones, what flite and espeak-ng call them, the shape each wants, and how shapes blend in time.

The table of shapes is made by hand. Columns: open (0 shut, 1 widest), spread (0.2 at rest), round, tuck (lower lip under
the teeth), tongue (its tip up in sight); then the strength with which the phone insists on each of them (dominance), and its reach in seconds.
"""
import numpy as np

#        open  spread round tuck tongue  strength: open spread round tuck tongue  reach
TABLE = {
    'sil': ((0.00, 0.20, 0.00, 0.0, 0.00), (1.0, 0.4, 0.4, 0.4, 1.0), 0.060),
    'PB': ((0.00, 0.20, 0.05, 0.0, 0.00), (6.0, 0.5, 0.5, 1.0, 1.0), 0.050),
    'M': ((0.00, 0.20, 0.05, 0.0, 0.00), (6.0, 0.5, 0.5, 1.0, 1.0), 0.050),
    'FV': ((0.10, 0.30, 0.00, 1.0, 0.00), (3.0, 0.8, 1.0, 6.0, 1.0), 0.055),
    'TH': ((0.22, 0.30, 0.00, 0.1, 0.90), (1.2, 0.5, 0.5, 1.0, 3.0), 0.055),
    'TD': ((0.22, 0.32, 0.00, 0.0, 0.50), (0.8, 0.4, 0.3, 1.0, 1.5), 0.050),
    'N': ((0.22, 0.30, 0.00, 0.0, 0.60), (0.8, 0.4, 0.3, 1.0, 2.0), 0.055),
    'L': ((0.30, 0.28, 0.00, 0.0, 1.00), (0.8, 0.4, 0.3, 1.0, 3.0), 0.055),
    'SZ': ((0.14, 0.42, 0.00, 0.0, 0.25), (1.4, 0.7, 0.5, 1.0, 1.0), 0.055),
    'SH': ((0.20, 0.10, 0.55, 0.0, 0.10), (1.4, 0.8, 1.5, 1.0, 1.0), 0.060),
    'KG': ((0.28, 0.28, 0.00, 0.0, 0.00), (0.5, 0.2, 0.2, 1.0, 1.0), 0.050),
    'H': ((0.35, 0.25, 0.00, 0.0, 0.00), (0.3, 0.2, 0.2, 1.0, 1.0), 0.050),
    'R': ((0.25, 0.12, 0.40, 0.0, 0.15), (0.9, 0.7, 1.0, 1.0, 1.0), 0.060),
    'W': ((0.12, 0.00, 0.95, 0.0, 0.00), (2.0, 1.5, 3.0, 1.0, 1.0), 0.065),
    'Y': ((0.20, 0.55, 0.00, 0.0, 0.10), (0.9, 1.0, 0.8, 1.0, 1.0), 0.055),
    'AA': ((0.95, 0.30, 0.00, 0.0, 0.00), (1.6, 0.8, 0.8, 1.0, 1.0), 0.080),
    'AE': ((0.78, 0.50, 0.00, 0.0, 0.00), (1.5, 1.0, 0.8, 1.0, 1.0), 0.080),
    'AH': ((0.50, 0.28, 0.02, 0.0, 0.00), (0.9, 0.5, 0.5, 1.0, 1.0), 0.065),
    'EH': ((0.55, 0.50, 0.00, 0.0, 0.00), (1.2, 1.0, 0.8, 1.0, 1.0), 0.075),
    'IY': ((0.26, 0.75, 0.00, 0.0, 0.00), (1.2, 1.4, 1.0, 1.0, 1.0), 0.075),
    'IH': ((0.32, 0.50, 0.00, 0.0, 0.00), (1.0, 0.9, 0.8, 1.0, 1.0), 0.065),
    'AO': ((0.65, 0.08, 0.60, 0.0, 0.00), (1.4, 1.0, 1.6, 1.0, 1.0), 0.080),
    'OW': ((0.42, 0.05, 0.75, 0.0, 0.00), (1.3, 1.0, 1.8, 1.0, 1.0), 0.075),
    'UW': ((0.20, 0.02, 0.95, 0.0, 0.00), (1.4, 1.2, 2.2, 1.0, 1.0), 0.075),
    'UE': ((0.22, 0.10, 0.85, 0.0, 0.00), (1.3, 1.0, 2.0, 1.0, 1.0), 0.075),
    'ER': ((0.32, 0.15, 0.35, 0.0, 0.00), (1.0, 0.8, 1.0, 1.0, 1.0), 0.070),
}
CLASSES = list(TABLE)
INDEX = {name: i for i, name in enumerate(CLASSES)}

FLITE = {
    'pau': ['sil'], 'p': ['PB'], 'b': ['PB'], 'm': ['M'], 'f': ['FV'], 'v': ['FV'], 'th': ['TH'], 'dh': ['TH'],
    't': ['TD'], 'd': ['TD'], 'dx': ['TD'], 'n': ['N'], 'nx': ['N'], 'en': ['N'], 'l': ['L'], 'el': ['L'], 's': ['SZ'],
    'z': ['SZ'], 'sh': ['SH'], 'zh': ['SH'], 'ch': ['SH'], 'jh': ['SH'], 'k': ['KG'], 'g': ['KG'], 'ng': ['KG'],
    'hh': ['H'], 'hv': ['H'], 'r': ['R'], 'w': ['W'], 'y': ['Y'], 'aa': ['AA'], 'ae': ['AE'], 'ah': ['AH'],
    'ax': ['AH'], 'eh': ['EH'], 'iy': ['IY'], 'ih': ['IH'], 'ao': ['AO'], 'uw': ['UW'], 'uh': ['UW'], 'er': ['ER'],
    'axr': ['ER'], 'em': ['M'], 'ow': ['AO', 'UW'], 'oy': ['AO', 'IH'], 'ay': ['AA', 'IH'], 'aw': ['AA', 'UW'],
    'ey': ['EH', 'IY'],
}

IPA = {
    'p': 'PB', 'b': 'PB', 'm': 'M', 'ɱ': 'M', 'f': 'FV', 'v': 'FV', 'ʋ': 'FV', 'β': 'PB', 'ɸ': 'PB', 'θ': 'TH', 'ð': 'TH',
    't': 'TD', 'd': 'TD', 'ɾ': 'TD', 'ʈ': 'TD', 'ɖ': 'TD', 'n': 'N', 'ɲ': 'N', 'ɳ': 'N', 'l': 'L', 'ɫ': 'L', 'ʎ': 'L',
    'ɭ': 'L', 's': 'SZ', 'z': 'SZ', 'ʃ': 'SH', 'ʒ': 'SH', 'ɕ': 'SH', 'ʑ': 'SH', 'ʂ': 'SH', 'ʐ': 'SH', 'ç': 'SH',
    'k': 'KG', 'ɡ': 'KG', 'g': 'KG', 'ŋ': 'KG', 'x': 'KG', 'ɣ': 'KG', 'q': 'KG', 'ʀ': 'KG', 'ʁ': 'KG', 'χ': 'KG', 'c': 'KG',
    'h': 'H', 'ɦ': 'H', 'ʔ': 'sil', 'r': 'R', 'ɹ': 'R', 'ɻ': 'R', 'w': 'W', 'ɥ': 'UE', 'j': 'Y', 'ʝ': 'Y',
    'a': 'AA', 'ɑ': 'AA', 'ɐ': 'AH', 'æ': 'AE', 'ʌ': 'AH', 'ə': 'AH', 'ɘ': 'AH', 'ɤ': 'AH', 'ᵻ': 'IH', 'ɨ': 'IH',
    'e': 'EH', 'ɛ': 'EH', 'i': 'IY', 'ɪ': 'IH', 'ɔ': 'AO', 'ɒ': 'AO', 'o': 'OW', 'u': 'UW', 'ʊ': 'UW', 'ɯ': 'UW',
    'y': 'UE', 'ʏ': 'UE', 'ø': 'UE', 'œ': 'UE', 'ɜ': 'ER', 'ɚ': 'ER',
}


def ipa_classes(name):
    """Every known letter of an espeak-ng phone name, in order; affricates are the hiss, marks are ignored."""
    found = [IPA[letter] for letter in name if letter in IPA]
    if len(found) == 2 and found[0] == 'TD' and found[1] in ('SZ', 'SH'):
        found = found[1:]
    return found or ['sil']


def spread_over(classes, start, end):
    """A phone of several classes takes them one after the other, the first a little longer."""
    if len(classes) == 1:
        return [(classes[0], start, end)]
    cuts = [0, 0.6, 1] if len(classes) == 2 else np.linspace(0, 1, len(classes) + 1)
    return [(c, start + (end - start) * cuts[i], start + (end - start) * cuts[i + 1]) for i, c in enumerate(classes)]


def frame_classes(segments, frames):
    """[(class, start s, end s)] -> class index at each 10 ms."""
    labels = np.zeros(frames, np.int32)
    for name, start, end in segments:
        labels[max(0, round(start * 100)):max(0, round(end * 100))] = INDEX[name]
    return labels


def frame_shapes(segments, frames):
    """Dominance blending: F(t) = sum a T exp(-(d / reach)^1.3) / sum a exp(...), d = distance of t from the phone."""
    times = np.arange(frames) / 100
    above, below = np.zeros((frames, 5)), np.full((frames, 5), 1e-4)
    above += below * np.array(TABLE['sil'][0])
    for name, start, end in segments:
        shape, strength, reach = TABLE[name]
        half = (end - start) * 0.25
        middle = (start + end) / 2
        first, last = max(0, int((start - 0.4) * 100)), min(frames, int((end + 0.4) * 100) + 2)
        t = times[first:last]
        # Lips start before the sound and let go faster: a little more reach to the left.
        distance = np.where(t < middle - half, (middle - half - t) / (reach * 1.15), np.maximum(t - middle - half, 0) / reach)
        weight = np.exp(-distance ** 1.3)[:, None] * np.array(strength)
        above[first:last] += weight * np.array(shape)
        below[first:last] += weight
    return (above / below).astype(np.float32)
