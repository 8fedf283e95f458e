"""Fits how 468 face points move per unit of mouth opening and of mouth width, by least squares over labelled clips.

usage: fit_basis.py LABEL_DIR [LABEL_DIR ...] OUT.json     (labels from label_lips.py)
"""
import glob
import json
import os
import sys

import numpy as np
from scipy.ndimage import gaussian_filter1d

from head_frame import clip_in_head_frame, opening, width


def mirror_of(mean):
    """Index of each point's mirror image, by position in the mean face; None where the pairing is not mutual."""
    flipped = mean * [-1, 1, 1]
    nearest = np.argmin(((flipped[:, None] - mean[None]) ** 2).sum(-1), axis=1)
    mutual = nearest[nearest] == np.arange(len(mean))
    return np.where(mutual, nearest, np.arange(len(mean))), mutual


def main():
    moves, drives, means = [], [], []
    for folder in sys.argv[1:-1]:
        for path in sorted(glob.glob(os.path.join(folder, '*.npz'))):
            landmarks = np.load(path)['landmarks'].astype(np.float64)
            landmarks = landmarks[np.isfinite(landmarks[:, 0, 0])]
            if len(landmarks) < 30:
                continue
            heads = gaussian_filter1d(clip_in_head_frame(landmarks), 0.7, axis=0)
            drive = np.stack([opening(heads), width(heads)], 1)
            moves.append((heads - heads.mean(0)).reshape(len(heads), -1))
            drives.append(drive - drive.mean(0))
            means.append(heads.mean(0))
    move, drive = np.concatenate(moves), np.concatenate(drives)
    mean = np.mean(means, 0)

    # Open mouths are rare: give every tenth of the opening's range the same say.
    bins = np.clip(((drive[:, 0] - drive[:, 0].min()) / np.ptp(drive[:, 0]) * 10).astype(int), 0, 9)
    weight = np.sqrt(1 / np.maximum(np.bincount(bins, minlength=10), 50))[bins][:, None]
    coefficients, *_ = np.linalg.lstsq(drive * weight, move * weight, rcond=None)
    basis = coefficients.reshape(2, 468, 3)

    pair, mutual = mirror_of(mean)
    mirrored = basis[:, pair] * [-1, 1, 1]
    basis = np.where(mutual[None, :, None], (basis + mirrored) / 2, basis)
    basis[:, mutual & (pair == np.arange(468)), 0] = 0

    lower = np.flatnonzero(mean[:, 1] > mean[2, 1])
    rest = (move - drive @ basis.reshape(2, -1)).reshape(-1, 468, 3)
    total = move.reshape(-1, 468, 3)
    w2 = (weight ** 2)[:, :, None]

    def explained(points, axes):
        r, t = rest[:, points][:, :, axes], total[:, points][:, :, axes]
        return float(1 - (w2 * r ** 2).sum() / (w2 * t ** 2).sum())

    facts = {
        'lowerFaceXy': explained(lower, [0, 1]),
        'lowerFaceXyz': explained(lower, [0, 1, 2]),
        'allPointsXyz': explained(np.arange(468), [0, 1, 2]),
    }
    print('frames', len(move), 'clips', len(means), 'mutual mirror pairs', int(mutual.sum()), facts)
    for name, index in (('lower inner lip 14', 14), ('upper inner lip 13', 13), ('chin 152', 152), ('corner 61', 61), ('corner 291', 291)):
        print(name, 'per open', basis[0, index].round(3), 'per width', basis[1, index].round(3))
    print('drive spread: open', np.percentile(drive[:, 0], [1, 50, 99]).round(3), 'width', np.percentile(drive[:, 1], [1, 50, 99]).round(3))
    with open(sys.argv[-1], 'w') as out:
        json.dump({
            'version': 1,
            'frame': 'X = (P263-P33)/iod, Y = (P152-P10) made orthogonal to X, Z = X x Y; values in iod',
            'units': {
                'open': 'mean of |13-14|, |312-317|, |82-87| over iod',
                'width': '|61-291| over iod',
                'iod': '|33-263|',
            },
            'explainedVariance': {key: round(value, 3) for key, value in facts.items()},
            'source': 'GRID corpus clips (Cooke, Barker, Cunningham, Shao 2006), CC BY 4.0',
            'open': [round(float(v), 4) for v in basis[0].reshape(-1)],
            'width': [round(float(v), 4) for v in basis[1].reshape(-1)],
        }, out, separators=(',', ':'))
        out.write('\n')


if __name__ == '__main__':
    main()
