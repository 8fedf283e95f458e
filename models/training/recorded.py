"""Recorded voices without transcripts: the voice prompts of Debian's asterisk-core-sounds packages (CC BY-SA 3.0), 16 kHz.

usage: recorded.py OUT.pkl

Output as of synth.py (int16 sound and an index), without phones. Prompts of one voice are strung together to stretches of
some 15 s with short pauses, so that a network meets speech and its ends in one piece. Packages (1.6.1):
asterisk-core-sounds-{en,es,fr,it,ru}-g722.
"""
import glob
import os
import pickle
import subprocess
import sys

import numpy as np

VOICES = ('en_US_f_Allison', 'es_MX_f_Allison', 'fr_CA_f_June', 'it_IT_m_Carlo', 'ru_RU_f_IvrvoiceRU')
STRETCH_S = 15


def decode(ffmpeg, path):
    raw = subprocess.run([ffmpeg, '-v', 'error', '-f', 'g722', '-i', path, '-ac', '1', '-ar', '16000', '-f', 's16le', '-'],
                         capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.int16)


def trimmed(pcm):
    """Without the silence at both ends; None where nothing but a beep or silence is heard."""
    if len(pcm) < 8000:
        return None
    level = np.sqrt(np.convolve(pcm.astype(float) ** 2, np.ones(400) / 400, 'same'))
    loud = np.flatnonzero(level > 200)
    if len(loud) < 4000:
        return None
    return pcm[max(0, loud[0] - 800):loud[-1] + 1600]


def main():
    out, ffmpeg = sys.argv[1], os.environ.get('FFMPEG', 'ffmpeg')
    random = np.random.default_rng(11)
    sounds, index, at = [], [], 0
    for voice in VOICES:
        folder = os.path.join('/usr/share/asterisk/sounds', voice)
        if not os.path.isdir(folder):
            raise SystemExit(f'{folder} is absent: install asterisk-core-sounds-{voice[:2]}-g722')
        paths = sorted(p for p in glob.glob(os.path.join(folder, '**', '*.g722'), recursive=True)
                       if 'silence' not in p and 'beep' not in p and 'tt-monkeys' not in p)
        clips = [clip for clip in (trimmed(decode(ffmpeg, path)) for path in paths) if clip is not None]
        clips = [clips[i] for i in random.permutation(len(clips))]
        while clips:
            parts, samples = [], 0
            while clips and samples < STRETCH_S * 16000:
                pause = (random.normal(size=int(random.uniform(0.15, 0.9) * 16000)) * 4).astype(np.int16)
                parts += [pause, clips.pop()]
                samples += len(parts[-1]) + len(pause)
            whole = np.concatenate(parts)
            sounds.append(whole)
            index.append((at, len(whole), None))
            at += len(whole)
    with open(out, 'wb') as file:
        pickle.dump({'pcm': np.concatenate(sounds), 'index': index}, file)
    print('stretches', len(index), 'seconds', at / 16000)


if __name__ == '__main__':
    main()
