"""Trains the student on what sounds.py gathered, and writes it as ONNX.

usage: train.py SOUNDS.pkl OUT [--steps N] [--start WEIGHTS.pt] [--real NAME,...|all] [--rate R] [--seed S]

Without --real the measured lips are those of talker 1 only; with it the named others (or all of them) join: leaving some
out and scoring those tells how good the recipe is. Writes OUT.pt (weights) and OUT.onnx. Same seed, same threads: same file.
"""
import argparse
import multiprocessing
import pickle
import time

import numpy as np
import torch
import torch.nn.functional as F

import augment
from phones import CLASSES, INDEX
from student import BANDS, MOUTH_AT, NOW_AT, OUTPUTS, Student, export, shapes_of

STEPS_A_CROP = 200  # of 20 ms
RIM = 8  # frames around a crop that the shapes of its ends belong to
TABLE_ROW = {'round': 2, 'tuck': 3, 'tongue': 4}
# Crops of each part in a batch.
PRETRAIN = (('synth', 12), ('recorded', 10), ('talker1', 6), ('rest', 4))
FINETUNE = (('synth', 8), ('recorded', 7), ('talker1', 6), ('others', 8), ('rest', 3))


def crop(item, rests, random):
    """One example: `mel` [2 T, 40] and targets [2 T + 2 RIM] that start RIM frames before it."""
    n, length = len(item['mel']), 2 * STEPS_A_CROP
    start = random.integers(-60, max(1, n - length + 60)) if n > length // 2 else random.integers(n // 2 - length + 20, 20)
    at = start + augment.tempo(random, length + 2 * RIM) - RIM
    row = np.round(at).astype(int)
    inside = (row >= 0) & (row < n)
    row = np.clip(row, 0, n - 1)
    here = row[RIM:-RIM]
    mel = np.where(inside[RIM:-RIM, None], item['mel'][here].astype(np.float32), augment.SILENCE)
    is_rest = item['part'] == 'rest'
    background = None
    if not is_rest and random.random() < 0.25:
        other = rests[random.integers(len(rests))]['mel']
        first = random.integers(0, max(1, len(other) - length))
        background = other[first:first + length].astype(np.float32)
        if len(background) < length:
            background = None
    out = {'mel': augment.disturbed(mel, random, background, -19 if is_rest else -10.5)}
    weight = inside.astype(np.float32)
    for name, at_rest in (('open', 0), ('spread', 0.2)):
        out[name] = np.where(inside, item[name][row], at_rest).astype(np.float32)
    out['voice'] = np.where(inside, item['voice'][row], 0).astype(np.float32)
    known = item['table'] is not None
    table = item['table'][row].astype(np.float32) if known else np.zeros((len(row), 5), np.float32)
    for name, column in TABLE_ROW.items():
        out[name] = np.where(inside, table[:, column], 0).astype(np.float32)
    phone = item['phone'][row].astype(int) if known else np.zeros(len(row), int)
    out['phone'] = np.where(inside, phone, 0)
    out['shut'] = np.isin(out['phone'], (INDEX['PB'], INDEX['M'])).astype(np.float32)
    # Word times of read clips are rougher than a synthesiser's.
    out['known'] = np.full(len(row), 0.0 if not known else 0.4 if item['part'] == 'talker1' else 1.0, np.float32)
    heard = item['heard']
    pairs = np.clip(here[::2] // 2, 0, max(0, len(heard) - 1)) if heard is not None else None
    out['heard'] = heard[pairs].astype(np.float32) if heard is not None else np.zeros((STEPS_A_CROP, 64), np.float32)
    out['hasHeard'] = weight[RIM:-RIM:2] if heard is not None else np.zeros(STEPS_A_CROP, np.float32)
    out['within'] = weight
    return out


def batches(path, shares, names, seed, queue):
    with open(path, 'rb') as file:
        items = pickle.load(file)
    random = np.random.default_rng(seed)
    parts = {part: [one for one in items if one['part'] == part and (part != 'others' or one['speaker'] in names)] for part, _ in shares}
    odds = {}
    for part, own in parts.items():
        weights = np.array([min(len(one['mel']), 4000) if part == 'recorded' else 1.0 for one in own], float)
        odds[part] = weights / weights.sum()
    while True:
        rows = [crop(parts[part][i], parts['rest'], random) for part, count in shares for i in random.choice(len(parts[part]), count, p=odds[part])]
        queue.put({key: np.stack([row[key] for row in rows]) for key in rows[0]})


def loss_of(student, batch, drop):
    mel = batch['mel'].reshape(len(batch['mel']), STEPS_A_CROP, 2 * BANDS)
    h, _ = student.hidden(mel, student.blank(len(mel)), drop)
    total, told = 0.0, {}
    for head, at, share in ((student.mouth, MOUTH_AT, 1.0), (student.now, NOW_AT, 0.5)):
        logits = head(h).reshape(len(h), 2 * STEPS_A_CROP, len(OUTPUTS))
        there = slice(RIM + at, RIM + at + 2 * STEPS_A_CROP)
        within = batch['within'][:, there]
        # Beyond an item is silence: that counts, too, but little.
        everywhere = 0.3 + 0.7 * within
        known = everywhere * batch['known'][:, there]
        mean = lambda value, weight: (value * weight).sum() / (weight.sum() + 1)
        weights = {'open': 8.0, 'spread': 4.0, 'round': 3.0, 'tuck': 3.0, 'tongue': 1.5, 'shut': 0.25, 'voice': 0.25}
        for k, name in enumerate(OUTPUTS):
            target, guess = batch[name][:, there], logits[..., k]
            if name in ('shut', 'voice'):
                value = F.binary_cross_entropy_with_logits(guess, target, reduction='none')
            else:
                value = (torch.sigmoid(guess) - target) ** 2
            part = mean(value, known if name in TABLE_ROW or name == 'shut' else everywhere)
            total = total + share * weights[name] * part
            if share == 1.0:
                told[name] = part.item()
        if share == 1.0:
            real = slice(-batch['realCrops'], None)
            a, b = torch.sigmoid(logits[real, :, 0]), batch['open'][real, there]
            a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
            agree = (a * b).sum(1) / ((a * a).sum(1) * (b * b).sum(1) + 0.05).sqrt()
            total = total + 0.05 * (1 - agree).mean()
    # The older frame of the pair that `mouth` tells, four frames back.
    phones = student.phone(h)
    there = slice(RIM + MOUTH_AT, RIM + MOUTH_AT + 2 * STEPS_A_CROP, 2)
    part = F.cross_entropy(phones.reshape(-1, len(CLASSES)), batch['phone'][:, there].reshape(-1), reduction='none').reshape(phones.shape[:2])
    told['phone'] = mean(part, batch['known'][:, there] * batch['within'][:, there])
    total = total + 0.15 * told['phone']
    shift = -MOUTH_AT // 2
    far = ((student.heard(h)[:, shift:] - batch['heard'][:, :-shift]) ** 2).mean(-1)
    told['heard'] = mean(far, batch['hasHeard'][:, :-shift])
    total = total + 0.2 * told['heard']
    return total, {key: float(value) for key, value in told.items()}


def agreement(student, items):
    """Mean r of the opening over clips, late and in time."""
    r = lambda a, b: np.corrcoef(a, b)[0, 1]
    return [np.mean([r(shapes_of(student, one['mel'], late)[:, 0], one['open']) for one in items]) for late in (True, False)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('sounds'), parser.add_argument('out')
    parser.add_argument('--steps', type=int, default=4000)
    parser.add_argument('--start')
    parser.add_argument('--real', default='')
    parser.add_argument('--rate', type=float, default=1.5e-3)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--threads', type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    with open(options.sounds, 'rb') as file:
        others = [one for one in pickle.load(file) if one['part'] == 'others']
    names = {one['speaker'] for one in others} if options.real == 'all' else set(filter(None, options.real.split(',')))
    held = [one for one in others if one['speaker'] not in names]
    shares = FINETUNE if names else PRETRAIN
    # Measured lips stand last in a batch, see loss_of.
    shares = sorted(shares, key=lambda share: share[0] in ('talker1', 'others'))
    real_crops = sum(count for part, count in shares if part in ('talker1', 'others'))
    student = Student()
    if options.start:
        student.load_state_dict(torch.load(options.start))
    optimiser = torch.optim.AdamW(student.parameters(), options.rate, weight_decay=0.02, betas=(0.9, 0.98))
    mean = {key: value.clone() for key, value in student.state_dict().items()}
    queue = multiprocessing.Queue(6)
    loader = multiprocessing.Process(target=batches, args=(options.sounds, shares, names, options.seed, queue), daemon=True)
    loader.start()
    began, sums = time.time(), {}
    for step in range(1, options.steps + 1):
        batch = {key: torch.from_numpy(value) for key, value in queue.get().items()}
        batch['realCrops'] = real_crops
        progress = step / options.steps
        for group in optimiser.param_groups:
            group['lr'] = options.rate * min(1, step / 100) * (0.5 + 0.5 * np.cos(np.pi * progress) + 0.005)
        student.train()
        loss, told = loss_of(student, batch, 0.08)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        # What ships is the running mean of the weights: it hears a little better than any single step's.
        keep = min(0.995, step / (step + 20))
        for key, value in student.state_dict().items():
            mean[key].mul_(keep).add_(value, alpha=1 - keep)
        for key, value in told.items():
            sums[key] = sums.get(key, 0) + value
        if step % 100 == 0 or step == options.steps:
            line = ' '.join(f'{key} {value / 100:.4f}' for key, value in sums.items())
            sums = {}
            if step % 500 == 0 or step == options.steps:
                averaged = Student()
                averaged.load_state_dict(mean)
                averaged.eval()
                torch.save(mean, options.out + '.pt')
                if held:
                    line += ' | r of unseen talkers %.3f, in time %.3f' % tuple(agreement(averaged, held))
            print(f'{time.time() - began:.0f} s, step {step}: {line}', flush=True)
    loader.terminate()
    print('parameters', sum(p.numel() for p in averaged.parameters()), 'difference of the export', export(averaged, options.out + '.onnx'))


if __name__ == '__main__':
    main()
