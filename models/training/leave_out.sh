#!/usr/bin/env bash
# How good the recipe's last step is for people it never saw: models/training/leave_out.sh WORK_DIR, after rebuild.sh.
# Four times two of the eight GRID talkers are left out; score each pair's clips with
#   npm run bench:lips -- CLIP CLIP --models WORK_DIR/without-PAIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(realpath "${1:?usage: leave_out.sh WORK_DIR}")
all=(spkA spkD spkE spkH spkI spkL spkN spkP)
for first in 0 2 4 6; do
  pair="${all[first]}-${all[first + 1]}"
  real=$(IFS=,; echo "${all[*]}" | sed "s/${all[first]},//; s/${all[first + 1]},\?//; s/,$//")
  mkdir -p "$work/without-$pair/cpu"
  [[ -e $work/without-$pair/cpu/audio2mouth.onnx ]] || "$work/venv/bin/python" -u "$here/train.py" "$work/sounds.pkl" \
    "$work/without-$pair/cpu/audio2mouth" --start "$work/first.pt" --real "$real" --steps 500 --rate 4e-4 --threads "$(nproc)"
done
