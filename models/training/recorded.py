"""Recorded voices without transcripts, from packages of Debian that may be trained on (list and licences: README.md).

usage: recorded.py PACKAGES OUT.pkl      PACKAGES: the packages, unpacked over each other (rebuild.sh)

Output as of synth.py (int16 sound of 16 kHz and an index), without phones. Prompts of one voice are strung together to stretches
of some 15 s with short pauses, so that a network meets speech and its ends in one piece.
"""
import glob
import os
import pickle
import re
import sys

import numpy as np
import soundfile
from scipy.signal import resample_poly

import clips

# A pattern of files, and what in the path tells one language or voice from another.
VOICES = (
    ('share/asterisk/sounds/*_*_*_*/**/*.g722', r'sounds/(\w+)/'),
    ('share/asterisk/sounds/it_IT_f_Menardi/**/*.wav', r'sounds/(\w+)/'),
    ('share/asterisk/sounds/es/**/*.gsm', r'sounds/(\w+)/'),
    ('share/asterisk/sounds/fr/**/*.gsm', r'sounds/(\w+)/'),
    # Names of things, read by volunteers in many languages.
    ('share/tuxpaint/stamps/**/*_desc*.ogg', r'_desc_?(\w*)\.ogg'),
    # Letters and syllables.
    ('share/klettres/*/*/*.ogg', r'klettres/(\w+)/'),
    # Two fish who talk: m the small, v the big one.
    ('share/games/fillets-ng/sound/*/*/*-[mv]-*.ogg', r'/(\w\w)/[^/]*(-[mv]-)'),
)
NOT_SPEECH = ('silence', 'beep', 'tt-monkeys')
STRETCH_S = 15
# No voice may drown the others.
MOST_OF_A_VOICE_S = 25 * 60
LEVEL = 2500.0  # of the louder half, as int16


def read(path):
    """int16 at 16 kHz"""
    if path.endswith('.g722'):
        return clips.decode(path, ('-f', 'g722'))
    if path.endswith('.gsm'):
        return clips.decode(path, ('-f', 'gsm'))
    pcm, rate = soundfile.read(path, dtype='float64', always_2d=True)
    pcm = resample_poly(pcm.mean(1), 16000, rate) if rate != 16000 else pcm.mean(1)
    return (np.clip(pcm, -1, 1) * 32767).astype(np.int16)


def trimmed(pcm):
    """At one level and without the silence at both ends; None where nothing but a beep or silence is heard."""
    if len(pcm) < 6400:
        return None
    level = np.sqrt(np.convolve(pcm.astype(float) ** 2, np.ones(400) / 400, 'same'))
    gain = LEVEL / max(20.0, np.median(level[level > level.max() * 0.1]))
    loud = np.flatnonzero(level * gain > 150)
    if len(loud) < 3200:
        return None
    kept = pcm[max(0, loud[0] - 800):loud[-1] + 1600].astype(float) * gain
    return np.clip(kept, -32000, 32000).astype(np.int16)


def voices(packages):
    """{name: [path]}; files that are links to others are left out."""
    found = {}
    for pattern, key in VOICES:
        for path in sorted(glob.glob(os.path.join(packages, 'usr', pattern), recursive=True)):
            if os.path.islink(path) or any(word in path for word in NOT_SPEECH):
                continue
            name = pattern.split('/')[1] + ' ' + ' '.join(re.search(key, path).groups())
            found.setdefault(name, []).append(path)
    return found


def main():
    packages, out = sys.argv[1:3]
    random = np.random.default_rng(11)
    sounds, index, at = [], [], 0
    for name, paths in voices(packages).items():
        spoken, order = 0, list(random.permutation(len(paths)))
        while order and spoken < MOST_OF_A_VOICE_S * 16000:
            parts, samples = [], 0
            while order and samples < STRETCH_S * 16000:
                prompt = trimmed(read(paths[order.pop()]))
                if prompt is None:
                    continue
                pause = (random.normal(size=int(random.uniform(0.05, 0.8) * 16000)) * 4).astype(np.int16)
                parts += [pause, prompt]
                samples += len(prompt) + len(pause)
            if not parts:
                break
            whole = np.concatenate(parts)
            sounds.append(whole)
            index.append((at, len(whole), None))
            at += len(whole)
            spoken += len(whole)
        print(name, round(spoken / 960000, 1), 'min', flush=True)
    with open(out, 'wb') as file:
        pickle.dump({'pcm': np.concatenate(sounds), 'index': index}, file)
    print('stretches', len(index), 'seconds', at / 16000)


if __name__ == '__main__':
    main()
