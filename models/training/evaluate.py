"""Scores a mouth network against measured lips: correlation of opening at zero lag, whole clips and speech only.

usage: evaluate.py MODEL.onnx DATA.pkl     (arrays from prepare.py; none of the scored parts was trained on)

`talk` clips have an unknown offset between sound and picture, so the best lag within 120 ms is shown too.
"""
import pickle
import sys

import numpy as np
import onnxruntime
from scipy.ndimage import binary_dilation

BEFORE, AFTER = 56, 8


def predict(session, mel):
    silence = np.float32(np.log(1e-8) / 4 + 2.5)
    padded = np.concatenate([np.full((BEFORE, 40), silence), mel, np.full((AFTER, 40), silence)]).astype(np.float32)
    return session.run(['mouth'], {'mel': padded.T[None]})[0][0].T


def r(a, b):
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 5 and a.std() > 1e-6 and b.std() > 1e-6 else 0.0


def lagged(a, b, lag):
    """Correlation of a (predicted) moved by `lag` frames with b (measured)."""
    return r(a[max(0, -lag):len(a) - max(0, lag)], b[max(0, lag):len(b) - max(0, -lag)])


def main():
    session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])
    with open(sys.argv[2], 'rb') as file:
        items = pickle.load(file)
    for part in ('held', 'held1', 'talk'):
        rows = []
        for item in (i for i in items if i['part'] == part):
            out = predict(session, item['mel'])[:, 0]
            loud = item['mel'].mean(1)
            speech = binary_dilation(loud > np.percentile(loud, 95) - 0.9, iterations=8)
            lags = [lagged(out, item['open'], lag) for lag in range(-12, 13)]
            best = int(np.argmax(lags))
            rows.append((r(out, item['open']), r(out[speech], item['open'][speech]), lags[best], (best - 12) * 10, r(loud, item['open'])))
            if part != 'held1':
                print(f"  {item['speaker']:8s} r {rows[-1][0]:.2f} speech {rows[-1][1]:.2f} best {rows[-1][2]:.2f} at {rows[-1][3]:+d} ms; loudness {rows[-1][4]:.2f}; predicted p5 p50 p95 {np.percentile(out, [5, 50, 95]).round(2)}")
        mean = np.mean(rows, 0)
        print(f'{part}: {len(rows)} clips, r {mean[0]:.3f}, over speech {mean[1]:.3f}, best lag {mean[2]:.3f} at {mean[3]:+.0f} ms on average; loudness {mean[4]:.2f}')
    # Phonetics: the opening where unseen synthetic speech closes the lips, against open vowels.
    print_closure(session, items)


def print_closure(session, items):
    from phones import INDEX
    shut, wide, rest = [], [], []
    for item in [i for i in items if i['part'] == 'held1' and i['phone'] is not None]:
        out, phone = predict(session, item['mel'])[:, 0], item['phone'][:len(item['mel'])]
        edges = np.flatnonzero(np.diff(phone)) + 1
        for start, end in zip(edges[:-1], edges[1:]):
            if phone[start] in (INDEX['PB'], INDEX['M']):
                shut.append(out[max(0, start - 3):end + 3].min())
            elif phone[start] in (INDEX['AA'], INDEX['AE']):
                wide.append(out[start:end].max())
    for item in [i for i in items if i['part'] == 'held1']:
        rest.append(predict(session, item['mel'])[:20, 0].mean())
    print(f'talker 1, unseen: lowest at p b m {np.mean(shut):.2f} (n {len(shut)}), highest at open vowels {np.mean(wide):.2f} (n {len(wide)}), first 200 ms {np.mean(rest):.3f}')


if __name__ == '__main__':
    main()
