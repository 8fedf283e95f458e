"""Trains the mouth network (JAX, one thread) and writes it as ONNX.

usage: train.py DATA.pkl OUT.onnx SECONDS [SECONDS_PHONES_FIRST [START.pkl]]
START.pkl: weights to go on from, as an earlier run left them beside its OUT.onnx.

Network: log-mel [1, 40, n] -> mouth [1, 4, n - 64]; frame i of the output belongs to frame i + 56 of the input (56 before,
8 after). An input convolution and five residual blocks of three taps; a phone head; from the hidden layer and the phone
posteriors two heads of lip shapes: the hand table's and the measured lips'. What is exported is their blend.
"""
import functools
import os
import pickle
import sys
import time

os.environ.setdefault('XLA_FLAGS', '--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1')
import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.ndimage import binary_dilation, gaussian_filter1d

from phones import CLASSES

CHANNELS = 104
INPUT_TAPS = (-3, -2, -1, 0, 1)
# The look ahead is 1 + 1 + 2 + 4 = 8 frames; the widest blocks only look back.
BLOCKS = ((-1, 0, 1), (-2, 0, 2), (-4, 0, 4), (-16, -8, 0), (-30, -15, 0))
BEFORE = 3 + 1 + 2 + 4 + 16 + 30
AFTER = 1 + 1 + 2 + 4
SEGMENT, BATCH = 160, 24
# Share of the measured lips (the rest is the hand table) in the exported open and spread.
REAL_SHARE_OPEN = float(os.environ.get('REAL_SHARE_OPEN', 0.6))
REAL_GRADIENT = 0.3
random = np.random.default_rng(3)


def init():
    def dense(fan_in, fan_out, gain=1.0):
        return (random.normal(size=(fan_in, fan_out)) * gain * np.sqrt(2 / fan_in)).astype(np.float32), np.zeros(fan_out, np.float32)

    params = {'in': dense(40 * len(INPUT_TAPS), CHANNELS)}
    for i in range(len(BLOCKS)):
        params[f'conv{i}'] = dense(CHANNELS * 3, CHANNELS)
        params[f'mix{i}'] = dense(CHANNELS, CHANNELS, 0.3)
    params['phone'] = dense(CHANNELS, len(CLASSES), 0.3)
    wide = CHANNELS + len(CLASSES)
    params['table1'], params['table2'] = dense(wide, 48), dense(48, 4, 0.3)
    params['real1'], params['real2'] = dense(wide, 48), dense(48, 2, 0.3)
    return params


def taps_of(x, taps, before, after):
    """[B, n, C] -> [B, n - before - after, len(taps) * C], valid frames only."""
    n = x.shape[1] - before - after
    return jnp.concatenate([x[:, before + t:before + t + n] for t in taps], axis=-1)


def network(params, mel, key=None):
    x = jax.nn.relu(taps_of(mel, INPUT_TAPS, 3, 1) @ params['in'][0] + params['in'][1])
    for i, taps in enumerate(BLOCKS):
        before, after = -taps[0], max(0, taps[-1])
        y = jax.nn.relu(taps_of(x, taps, before, after) @ params[f'conv{i}'][0] + params[f'conv{i}'][1])
        if key is not None:
            key, sub = jax.random.split(key)
            y = y * jax.random.bernoulli(sub, 0.9, (y.shape[0], 1, y.shape[2])) / 0.9
        y = y @ params[f'mix{i}'][0] + params[f'mix{i}'][1]
        x = x[:, before:x.shape[1] - after] + y
    x = jax.nn.relu(x)
    logits = x @ params['phone'][0] + params['phone'][1]
    both = jnp.concatenate([x, jax.nn.softmax(logits)], -1)
    # One talker's lips must not bend the hearing of phones: they reach the trunk with a part of their gradient only.
    held = jax.lax.stop_gradient(both) * (1 - REAL_GRADIENT) + both * REAL_GRADIENT
    head = lambda name, h: jax.nn.relu(h @ params[name + '1'][0] + params[name + '1'][1]) @ params[name + '2'][0] + params[name + '2'][1]
    return logits, head('table', both), head('real', held)


def loss(params, batch, key):
    logits, table, real = network(params, batch['mel'], key)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), batch['phone'][..., None], -1)[..., 0]
    phone = -(chosen * batch['hasPhone']).sum() / (batch['hasPhone'].sum() + 1)
    shape = (((jax.nn.sigmoid(table) - batch['shape']) ** 2) * jnp.array([1.0, 1.0, 1.5, 1.5])).sum(-1)
    shape = (shape * batch['hasPhone']).sum() / (batch['hasPhone'].sum() + 1)
    lips = jax.nn.sigmoid(real)
    opened = (((lips[..., 0] - batch['open']) ** 2) * batch['hasOpen']).sum() / (batch['hasOpen'].sum() + 1)
    wide = (((lips[..., 1] - batch['width']) ** 2) * batch['hasWidth']).sum() / (batch['hasWidth'].sum() + 1)
    return 0.3 * phone + 4 * shape + batch['realWeight'] * (8 * opened + 2 * wide), (phone, shape, opened, wide)


@functools.partial(jax.jit, donate_argnums=(0, 1, 2))
def step(params, m, v, batch, key, rate, count):
    (_, parts), grads = jax.value_and_grad(loss, has_aux=True)(params, batch, key)
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(grads)))
    grads = jax.tree.map(lambda g: g * jnp.minimum(1, 1 / (norm + 1e-6)), grads)
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
    v = jax.tree.map(lambda a, g: 0.99 * a + 0.01 * g * g, v, grads)
    params = jax.tree.map(
        lambda p, a, b: p - rate * ((a / (1 - 0.9 ** count)) / (jnp.sqrt(b / (1 - 0.99 ** count)) + 1e-7) + 1e-4 * p), params, m, v)
    return params, m, v, parts


def augment(mel, strong):
    """Another voice, room, microphone and level, painted into the log-mel picture [n, 40]."""
    x = mel * 4 - 10  # natural logarithm of power
    bands = np.arange(40)
    if random.random() < 0.7:
        warp = random.uniform(0.9, 1.11) if strong else random.uniform(0.95, 1.05)
        at = np.clip(bands * warp + random.uniform(-1, 1), 0, 39)
        low = np.minimum(at.astype(int), 38)
        x = x[:, low] + (x[:, low + 1] - x[:, low]) * (at - low)
    if random.random() < 0.4:  # smear in time: a room's tail
        keep = random.uniform(0.5, 0.87)
        power = np.exp(x)
        tail = np.zeros(40)
        level = random.uniform(0.05, 0.4)
        for i in range(len(power)):
            tail = tail * keep + power[i] * (1 - keep)
            power[i] = power[i] * (1 - level) + tail * level
        x = np.log(power + 1e-12)
    x = x + random.uniform(-1.2, 1.2) * (bands - 20) / 20 + 0.6 * np.sin(bands / 40 * 6.28 * random.uniform(0.5, 2) + random.uniform(0, 6.28)) * random.uniform(0, 1)
    if random.random() < 0.25:  # a dull or a thin microphone
        cut = random.integers(24, 38)
        x[:, cut:] -= random.uniform(2, 8)
    if random.random() < 0.15:
        x[:, :random.integers(1, 5)] -= random.uniform(2, 6)
    x = x + random.uniform(-6.5, 1.5)  # some 35 dB between a quiet and a loud recording
    top = np.percentile(x, 95)
    if random.random() < 0.75:  # steady noise
        colour = random.normal() * (bands - 20) / 20 * 1.5 + random.normal(size=40) * 0.4
        noise = top - random.uniform(4, 11) + colour + random.normal(size=x.shape) * random.uniform(0.2, 0.6)
        x = np.logaddexp(x, noise)
    if random.random() < 0.2:
        first = random.integers(0, 36)
        x[:, first:first + random.integers(1, 5)] = x.min()
    return (np.logaddexp(x, np.log(1e-8)) + 10) / 4


def crop(item, strong):
    mel, n = item['mel'], len(item['mel'])
    length = SEGMENT + BEFORE + AFTER
    start = random.integers(-BEFORE, max(1, n - SEGMENT // 2)) - 0
    index = np.arange(start, start + length)
    inside = (index >= 0) & (index < n)
    picture = np.where(inside[:, None], mel[np.clip(index, 0, n - 1)], np.log(1e-8) / 4 + 2.5)
    middle = index[BEFORE:BEFORE + SEGMENT]
    within = inside[BEFORE:BEFORE + SEGMENT].astype(np.float32)
    at = np.clip(middle, 0, n - 1)
    take = lambda name, shape: item[name][at] if item[name] is not None else np.zeros(shape, np.float32)
    known = 1.0 if item['phone'] is not None else 0.0
    phone = take('phone', SEGMENT).astype(np.int32) * within.astype(np.int32)
    shape = np.where(within[:, None] > 0, take('shape', (SEGMENT, 4)), [0, 0.2, 0, 0])
    weight = 0.5 if item['part'] == 'face' else 1.0
    return {'mel': augment(picture, strong), 'phone': phone, 'shape': shape, 'hasPhone': np.full(SEGMENT, known) * (0.5 if item['part'] == 'train' else 1),
            'open': take('open', SEGMENT), 'hasOpen': within * weight if item['open'] is not None else np.zeros(SEGMENT),
            'width': take('width', SEGMENT), 'hasWidth': within if item['width'] is not None else np.zeros(SEGMENT)}


def batch_of(parts, shares):
    rows = []
    for part, count in shares:
        weights = parts[part][1]
        for i in random.choice(len(weights), count, p=weights):
            rows.append(crop(parts[part][0][i], strong=True))
    return {key: np.stack([row[key] for row in rows]).astype(np.int32 if key == 'phone' else np.float32) for key in rows[0]}


def rest_in_silence(item):
    """People part their lips long before they speak; an avatar should rest. Far from speech the wanted opening is 0."""
    if item['phone'] is not None:
        speech = item['phone'] > 0
    else:
        loud = np.log(np.exp(item['mel'] * 4 - 10).sum(1) + 1e-10)
        speech = loud > np.percentile(loud, 95) - 7
    near = binary_dilation(speech, iterations=15)
    fade = gaussian_filter1d(near.astype(np.float32), 2)
    item['open'] = (item['open'] * fade).astype(np.float32)


def noise_item():
    """Sound without a voice: the mouth rests."""
    n = 400
    level = random.uniform(-18, -6)
    x = level + random.normal() * (np.arange(40) - 20) / 15 + random.normal(size=40) * 0.5 + random.normal(size=(n, 40)) * 0.5
    rest = np.tile(np.float32([0, 0.2, 0, 0]), (n, 1))
    return {'mel': ((np.logaddexp(x, np.log(1e-8)) + 10) / 4).astype(np.float32), 'phone': np.zeros(n, np.int32), 'shape': rest,
            'open': np.zeros(n, np.float32), 'width': np.full(n, 0.3, np.float32), 'speaker': 'noise', 'part': 'noise'}


def export(params, path):
    """Valid convolutions only: what a frame becomes depends on its 65 input frames and on nothing else."""
    p = jax.tree.map(np.asarray, params)
    nodes, weights = [], []

    def constant(name, value):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def conv(name, source, taps, dilation, target):
        w, b = p[name]
        kernel = w.reshape(taps, -1, w.shape[1]).transpose(2, 1, 0)
        nodes.append(helper.make_node('Conv', [source, constant(name + '.w', kernel), constant(name + '.b', b)], [target],
                                      kernel_shape=[taps], dilations=[dilation]))
        return target

    def plain(op, sources, target, **attributes):
        nodes.append(helper.make_node(op, sources, [target], **attributes))
        return target

    x = plain('Relu', [conv('in', 'mel', 5, 1, 'c_in')], 'h_in')
    for i, taps in enumerate(BLOCKS):
        y = plain('Relu', [conv(f'conv{i}', x, 3, taps[1] - taps[0], f'c{i}')], f'r{i}')
        y = conv(f'mix{i}', y, 1, 1, f'm{i}')
        starts, ends = constant(f's{i}', np.array([-taps[0]])), constant(f'e{i}', np.array([-taps[-1] if taps[-1] else 1 << 30]))
        kept = plain('Slice', [x, starts, ends, constant(f'a{i}', np.array([2]))], f'k{i}')
        x = plain('Add', [kept, y], f'h{i}')
    x = plain('Relu', [x], 'hidden')
    phones = plain('Softmax', [conv('phone', x, 1, 1, 'logits')], 'posteriors', axis=1)
    both = plain('Concat', [x, phones], 'both', axis=1)
    for name in ('table', 'real'):
        inner = plain('Relu', [conv(name + '1', both, 1, 1, name + 'c')], name + 'h')
        plain('Sigmoid', [conv(name + '2', inner, 1, 1, name + 'l')], name + 'o')
    # open, spread of the measured lips join the table's; round and tuck are the table's alone.
    share = REAL_SHARE_OPEN
    mix_table = np.diag(np.float32([1 - share, 0.6, 1, 1]))[:, :, None]
    mix_real = np.zeros((4, 2, 1), np.float32)
    mix_real[0, 0], mix_real[1, 1] = share, 0.4
    a = plain('Conv', ['tableo', constant('mixTable', mix_table)], 'mixed_t', kernel_shape=[1])
    b = plain('Conv', ['realo', constant('mixReal', mix_real)], 'mixed_r', kernel_shape=[1])
    plain('Add', [a, b], 'mouth')
    graph = helper.make_graph(nodes, 'audio2mouth', [helper.make_tensor_value_info('mel', TensorProto.FLOAT, [1, 40, 'frames'])],
                              [helper.make_tensor_value_info('mouth', TensorProto.FLOAT, [1, 4, 'shapes'])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], producer_name='musecast')
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def main():
    data, out, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    first = float(sys.argv[4]) if len(sys.argv) > 4 else seconds * 0.45
    with open(data, 'rb') as file:
        items = [item for item in pickle.load(file) if item['part'] in ('synth', 'train', 'face')]
    for item in items:
        if item['part'] == 'train':
            rest_in_silence(item)
    # One talker must not drown the others.
    parts = {}
    for part in ('synth', 'train', 'face'):
        own = [item for item in items if item['part'] == part]
        weights = np.array([len(item['mel']) * (8.0 if part == 'train' and item['speaker'] != 's1' else 1.0) for item in own], float)
        parts[part] = (own, weights / weights.sum())
    params = init()
    if len(sys.argv) > 5:
        with open(sys.argv[5], 'rb') as file:
            params = jax.tree.map(jnp.asarray, pickle.load(file))
    zeros = lambda: jax.tree.map(lambda p: jnp.zeros_like(p), params)
    m, v, key, count, began = zeros(), zeros(), jax.random.PRNGKey(0), 0, time.time()
    sums, shown, saved = np.zeros(4), time.time(), time.time()
    while (spent := time.time() - began) < seconds:
        noises = [noise_item() for _ in range(8)]
        parts['noise'] = (noises, np.full(8, 1 / 8))
        joint = spent >= first
        batch = batch_of(parts, (('synth', 11), ('train', 8), ('face', 3), ('noise', 2)) if joint else (('synth', 19), ('train', 4), ('noise', 1)))
        batch['realWeight'] = np.float32(1.0 if joint else 0.3)
        count += 1
        progress = spent / seconds
        rate = 2e-3 * min(1, count / 60) * (0.5 + 0.5 * np.cos(np.pi * progress) + 0.01)
        key, sub = jax.random.split(key)
        params, m, v, losses = step(params, m, v, batch, sub, rate, float(count))
        sums += np.array([float(l) for l in losses])
        if time.time() - shown > 20:
            print(f'{spent:.0f} s, {count} steps, last losses phone {float(losses[0]):.3f} shape {float(losses[1]):.4f} open {float(losses[2]):.4f} width {float(losses[3]):.4f}', flush=True)
            shown = time.time()
        if time.time() - saved > 120:
            export(params, out)
            saved = time.time()
    export(params, out)
    with open(out + '.pkl', 'wb') as file:
        pickle.dump(jax.tree.map(np.asarray, params), file)
    print('steps', count, 'parameters', sum(np.size(p) for p in jax.tree.leaves(params)))


if __name__ == '__main__':
    main()
