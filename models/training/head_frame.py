"""Face points in the head's own frame, and the measures of the mouth that training and warp share.

Frame: X = from point 33 to point 263 (outer eye corners), Y = from 10 (forehead) to 152 (chin) made orthogonal to X,
Z = X x Y. Unit: the distance of the outer eye corners (iod). Origin: their middle.
"""
import numpy as np

GAPS = ((13, 14), (312, 317), (82, 87))


def head_axes(points):
    """points [468, 3] in pixels -> rotation [3, 3] (rows X, Y, Z), iod in pixels, origin [3]."""
    across = points[263] - points[33]
    iod = np.linalg.norm(across)
    x = across / iod
    down = points[152] - points[10]
    y = down - (down @ x) * x
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)]), iod, (points[263] + points[33]) / 2


def to_head(points):
    axes, iod, origin = head_axes(points.astype(np.float64))
    return (points - origin) @ axes.T / iod


def rigid_to(points, target, subset):
    """Rotation and shift (no scale) that bring points[subset] closest to target[subset]; returns all points moved."""
    p, q = points[subset], target[subset]
    pm, qm = p.mean(0), q.mean(0)
    u, _, vt = np.linalg.svd((p - pm).T @ (q - qm))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return (points - pm) @ (u @ sign @ vt) + qm


def opening(points):
    """Mean gap of the inner lips at the three middle columns; the unit is that of the points. [..., 468, 3] -> [...]"""
    return np.mean([np.linalg.norm(points[..., a, :2] - points[..., b, :2], axis=-1) for a, b in GAPS], axis=0)


def width(points):
    """Distance of the mouth corners 61 and 291; the unit is that of the points."""
    return np.linalg.norm(points[..., 61, :2] - points[..., 291, :2], axis=-1)


def clip_in_head_frame(landmarks):
    """[frames, 468, 3] pixels -> [frames, 468, 3] in iod, all rigidly aligned on the upper face to the clip's mean."""
    heads = np.stack([to_head(frame) for frame in landmarks])
    mean = heads.mean(0)
    upper = np.flatnonzero(mean[:, 1] < mean[2, 1] - 0.15)  # above the nose base: eyes, brows, nose bridge, forehead
    for _ in range(2):
        heads = np.stack([rigid_to(head, mean, upper) for head in heads])
        mean = heads.mean(0)
    return heads
