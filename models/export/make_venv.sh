#!/usr/bin/env bash
# Makes models/export/.venv with what the exporter needs; does nothing if it is there and current.
# On Linux x86-64 CUDA's packages are left out (0.87 GB to download instead of more than 3); light_torch.py says how.
# usage: make_venv.sh [FOLDER]     PYTHON=python3.11 chooses the interpreter.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-$here/.venv}
python=${PYTHON:-python3}
stamp=$venv/.musecast-requirements
recipe=$(cat "$here/requirements.txt" "$here/light_torch.py" "$here/make_venv.sh")

if [[ -f $stamp && $(cat "$stamp") == "$recipe" ]]; then exit 0; fi
started=$SECONDS
rm -rf "$venv"
"$python" -m venv "$venv"
install=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-compile --no-cache-dir)
works() { "$venv/bin/python" -c 'import torch; torch.nn.Conv2d(1, 1, 3)(torch.ones(1, 1, 4, 4))' 2>/dev/null; }

if [[ $(uname -sm) == 'Linux x86_64' ]]; then
  "${install[@]}" --no-deps -r "$here/requirements.txt" nvidia-cuda-runtime-cu12==12.4.127
  "$venv/bin/python" "$here/light_torch.py" "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
  works || { echo 'torch does not load without its CUDA packages here; installing them too' >&2; rm -rf "$venv"; }
fi
if [[ ! -d $venv ]] || ! works; then
  [[ -d $venv ]] || "$python" -m venv "$venv"
  "${install[@]}" -r "$here/requirements.txt"
  works || { echo "torch does not load in $venv; see the error of: $venv/bin/python -c 'import torch'" >&2; exit 1; }
fi
printf '%s' "$recipe" > "$stamp"
echo "$venv is ready: $(du -sm "$venv" | cut -f1) MB in $((SECONDS - started)) s"
