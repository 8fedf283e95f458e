import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';
import { readTorchFile, TorchTensor } from '../../../../src/avatar/reference/torch-archive.js';
import { expectedReference, referenceFile } from '../../../helpers/reference-folder.js';

interface Entry {
  name: string;
  data: Uint8Array;
  method?: number;
  flags?: number;
}

/** A ZIP; with `wide` every size and place stands in the 64-bit fields only. */
function zip(entries: readonly Entry[], wide = false): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, data, method = 0, flags = 0 } of entries) {
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(name.length, 26);
    head.writeUInt16LE(5, 28); // the padding that torch adds, here only
    parts.push(head, Buffer.from(name), Buffer.from('FB\x01\x00Z'), Buffer.from(data));
    const extra = Buffer.alloc(wide ? 28 : 0);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(flags, 8);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(crc32(data), 16);
    central.writeUInt32LE(wide ? 0xffffffff : data.length, 20);
    central.writeUInt32LE(wide ? 0xffffffff : data.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt16LE(extra.length, 30);
    central.writeUInt32LE(wide ? 0xffffffff : at, 42);
    if (wide) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      for (const [i, value] of [data.length, data.length, at].entries())
        extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
    }
    directory.push(central, Buffer.from(name), extra);
    at += head.length + name.length + 5 + data.length;
  }
  const sizeBytes = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(wide ? 0xffff : entries.length, 10);
  end.writeUInt32LE(wide ? 0xffffffff : at, 16);
  if (!wide) return Buffer.concat([...parts, ...directory, end]);
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(BigInt(entries.length), 32);
  record.writeBigUInt64LE(BigInt(at), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(at + sizeBytes), 8);
  return Buffer.concat([...parts, ...directory, record, locator, end]);
}

/** A tensor of `count` float32 numbers, as torch pickles it, in protocol 0. */
function tensorPickle(count: number, size: number, stride = 1, offset = 0): Buffer {
  const storage = `(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI${count}\ntQ`;
  return Buffer.from(
    `ctorch._utils\n_rebuild_tensor_v2\n(${storage}I${offset}\n(I${size}\nt(I${stride}\ntI00\nccollections\nOrderedDict\n)RtR.`,
  );
}

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const valuesOf = (bytes: Uint8Array): number[] => [
  ...(readTorchFile(bytes, 'latents.pt') as TorchTensor).values(),
];

describe('a file of torch.save', () => {
  it('gives the latents of a list saved on a GPU, shared tensors once', async () => {
    const { latents } = await expectedReference();
    const list = readTorchFile(await referenceFile('avatar/latents.pt'), 'latents.pt') as TorchTensor[];
    assert.equal(list.length, 4);
    assert.equal(list[0], list[3]);
    for (const [index, { first, sha256 }] of latents.entries()) {
      const values = list[index]!.values();
      assert.deepEqual(list[index]!.dims, [1, 8, 32, 32]);
      assert.deepEqual([...values.subarray(0, first.length)], first);
      assert.equal(createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex'), sha256);
    }
  });

  it('gives every floating-point type, views and turned tensors', async () => {
    const { tensors } = await expectedReference();
    const read = readTorchFile(await referenceFile('tensors.pt'), 'tensors.pt') as Map<string, TorchTensor>;
    assert.deepEqual([...read.keys()], Object.keys(tensors));
    for (const [name, { dims, values }] of Object.entries(tensors)) {
      assert.deepEqual(read.get(name)!.dims, dims, name);
      assert.deepEqual([...read.get(name)!.values()], values, name);
    }
  });

  it('may have the 64-bit fields of large files, and the other byte order', () => {
    const entries = [
      { name: 'a/data.pkl', data: tensorPickle(3, 3) },
      { name: 'a/data/0', data: floats(1, 2, 3) },
    ];
    assert.deepEqual(valuesOf(zip(entries)), [1, 2, 3]);
    assert.deepEqual(valuesOf(zip(entries, true)), [1, 2, 3]);
    const turned = floats(1, 2, 3);
    Buffer.from(turned.buffer).swap32();
    entries[1]!.data = turned;
    entries.push({ name: 'a/byteorder', data: Buffer.from('big') });
    assert.deepEqual(valuesOf(zip(entries)), [1, 2, 3]);
  });
});

describe('a file that is not to be read', () => {
  const good = [
    { name: 'a/data.pkl', data: tensorPickle(3, 3) },
    { name: 'a/data/0', data: floats(1, 2, 3) },
  ];

  it('in the old format says what to do', async () => {
    const bytes = await referenceFile('legacy.pt');
    assert.throws(() => readTorchFile(bytes, 'latents.pt'), {
      code: 'not-supported',
      message: /before version 1\.6: load it with torch and torch\.save it again/,
    });
  });

  it('is told from others wherever it is cut', async () => {
    const bytes = zip(good);
    for (let length = 0; length < bytes.length; length++)
      assert.throws(
        () => readTorchFile(bytes.subarray(0, length), 'x.pt'),
        { code: 'media-undecodable' },
        String(length),
      );
  });

  it('is found damaged wherever a byte of its parts is changed', () => {
    const bytes = zip(good);
    const directory = bytes.indexOf('PK\x01\x02');
    for (let at = 0; at < directory; at++) {
      // Fields of the local head that the directory repeats are not looked at.
      if (bytes.subarray(Math.max(0, at - 26), at + 4).includes('PK\x03\x04')) continue;
      const changed = Buffer.from(bytes);
      changed[at] = changed[at]! ^ 0x41;
      let values: number[] | undefined;
      try {
        values = valuesOf(changed);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'media-undecodable', `byte ${at}: ${String(error)}`);
      }
      if (values !== undefined) assert.deepEqual(values, [1, 2, 3], `byte ${at}`);
    }
  });

  const cases: Record<string, [readonly Entry[], RegExp]> = {
    'without data.pkl': [[good[1]!], /holds no data\.pkl/],
    'without its numbers': [[good[0]!], /storage 0 has no bytes, not 12/],
    'with too few numbers': [
      [good[0]!, { name: 'a/data/0', data: floats(1) }],
      /storage 0 has 4 bytes, not 12/,
    ],
    'with a tensor past the end': [
      [{ name: 'a/data.pkl', data: tensorPickle(3, 3, 2) }, good[1]!],
      /past the end/,
    ],
    'with a tensor of terabytes': [
      [{ name: 'a/data.pkl', data: tensorPickle(3, 2 ** 40, 0) }, good[1]!],
      /has the shape \[1099511627776\]/,
    ],
    compressed: [
      [{ ...good[0]!, data: deflateRawSync(good[0]!.data), method: 8 }, good[1]!],
      /is compressed/,
    ],
    encrypted: [[{ ...good[0]!, flags: 1 }, good[1]!], /is encrypted/],
    'with code': [
      [{ name: 'a/data.pkl', data: Buffer.from('cos\nsystem\n(S"id"\ntR.') }],
      /names os\.system/,
    ],
  };
  for (const [what, [entries, sentence]] of Object.entries(cases)) {
    it(what, () => {
      assert.throws(() => valuesOf(zip(entries)), { code: 'media-undecodable', message: sentence });
    });
  }

  it('of another kind', () => {
    assert.throws(() => readTorchFile(Buffer.from('hello'), 'x.pt'), /x\.pt is not a file of torch\.save/);
  });
});
