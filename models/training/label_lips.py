"""Labels video of talking faces: 468 face points a frame (MediaPipe face mesh, offline tool), saved as one .npz a clip.

usage: label_lips.py OUT_DIR CLIP [CLIP ...]

Output arrays: landmarks [frames, 468, 3] float32 in pixels (x right, y down, z towards the back, same scale as x),
NaN where no face was found; fps.
"""
import os
import sys

import cv2
import mediapipe as mp
import numpy as np


def label(path, mesh):
    capture = cv2.VideoCapture(path)
    fps = capture.get(cv2.CAP_PROP_FPS)
    frames = []
    while True:
        ok, picture = capture.read()
        if not ok:
            break
        height, width = picture.shape[:2]
        found = mesh.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).multi_face_landmarks
        if found:
            points = [(p.x * width, p.y * height, p.z * width) for p in found[0].landmark[:468]]
            frames.append(np.asarray(points, np.float32))
        else:
            frames.append(np.full((468, 3), np.nan, np.float32))
    return np.stack(frames), fps


def main():
    out_dir = sys.argv[1]
    os.makedirs(out_dir, exist_ok=True)
    for path in sys.argv[2:]:
        target = os.path.join(out_dir, os.path.splitext(os.path.basename(path))[0] + '.npz')
        if os.path.exists(target):
            continue
        # A new tracker for each clip: none may start from the face of the one before.
        with mp.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.4) as mesh:
            landmarks, fps = label(path, mesh)
        np.savez(target, landmarks=landmarks, fps=fps)


if __name__ == '__main__':
    main()
