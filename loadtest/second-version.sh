#!/bin/sh
# Teaches a model for a moment, so that the server has a second version of it for loadtest/swap.js to change to and from:
# second-version.sh [MODEL] [ADMIN_ADDRESS]. The version is stored, not promoted.
set -eu
model=${1:-sentiment}
admin=${2:-127.0.0.1:50052}
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
albert="$root/bin/albert"
digest=$("$albert" datasets upload --admin "$admin" --json "$root/loadtest/data/reviews.csv" |
  grep -o '"digest": *"[0-9a-f]*"' | head -1 | grep -o '[0-9a-f]\{64\}')
"$albert" jobs create --admin "$admin" --model "$model" --task classification --train "$digest" --eval "$digest" \
  --set train_step=4 --set warmup_step=1 --set train_batch_size=8 --set save_checkpoints_steps=4 --promote manual --watch
