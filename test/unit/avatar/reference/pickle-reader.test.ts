import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NUMPY_GLOBALS, NumpyArray } from '../../../../src/avatar/reference/numpy-pickle.js';
import { readPickle } from '../../../../src/avatar/reference/pickle-reader.js';
import { expectedReference, pickles } from '../../../helpers/reference-folder.js';

const read = (bytes: Uint8Array): unknown =>
  readPickle(bytes, { fileName: 'coords.pkl', globals: NUMPY_GLOBALS });
const text = (source: string): Uint8Array => Buffer.from(source, 'latin1');

describe('what Python pickled', () => {
  for (let protocol = 0; protocol <= 5; protocol++) {
    it(`is read in protocol ${protocol}`, async () => {
      const files = await pickles();
      const { boxes, array } = await expectedReference();
      const cycle = [...boxes, ...[...boxes].reverse()];
      assert.deepEqual(read(files.get(`boxes-${protocol}`)!), cycle);
      const matrix = read(files.get(`array-${protocol}`)!) as NumpyArray;
      assert.deepEqual([matrix.dims, matrix.values], [[3, 4], array.flat()]);
      assert.deepEqual(
        [...(read(files.get(`values-${protocol}`)!) as Map<string, unknown>)],
        [
          ['none', null],
          ['true', true],
          ['text', 'gr\u00fc\u00df\n\u{1f600}\\'],
          ['float', -1.5],
          ['long', -(2n ** 70n)],
          ['ints', [0, 255, 256, 65535, 65536, -1, -(2 ** 31), 2 ** 31, 2 ** 52]],
          ['nested', [[1], [1, 2, 3, 4], []]],
        ],
      );
    });
  }

  it('is read from NumPy 1 and from a machine of the other byte order', async () => {
    const files = await pickles();
    const { boxes, array } = await expectedReference();
    assert.deepEqual(read(files.get('boxes-numpy1')!), [...boxes, ...[...boxes].reverse()]);
    assert.deepEqual((read(files.get('big-endian')!) as NumpyArray).values, array.flat());
    const rows = read(files.get('list-of-arrays')!) as NumpyArray[];
    assert.deepEqual(
      rows.map((row) => row.values),
      array,
    );
  });
});

describe('a pickle that wants more than data', () => {
  for (let protocol = 0; protocol <= 5; protocol++) {
    it(`is refused by the name that it wants, in protocol ${protocol}`, async () => {
      const evil = (await pickles()).get(`evil-${protocol}`)!;
      assert.throws(() => read(evil), {
        code: 'media-undecodable',
        message: /^coords\.pkl names (posix|nt)\.system, .*was not run/,
      });
    });
  }

  const refused: Record<string, [string, RegExp]> = {
    'builtins.eval': ['c__builtin__\neval\n(S"1"\ntR.', /names __builtin__\.eval/],
    'a name of JavaScript': ['cObject\nconstructor\n(S"1"\ntR.', /names Object\.constructor/],
    'a method of an array': ['(lcnumpy\nndarray.constructor\n.', /names numpy\.ndarray\.constructor/],
    INST: ['(S"id"\nios\nsystem\n.', /opcode 0x69/],
    'a persistent id': ['Pfile\n.', /refers to data outside/],
    EXT1: ['\x80\x02\x82\x01.', /opcode 0x82/],
    'protocol 6': ['\x80\x06N.', /pickle protocol 6/],
    'a call of data': ['\x80\x02])R.', /calls what is no function/],
    'a call of a class': ['cnumpy\nndarray\n)R.', /calls what is no function/],
    'the state of data': [']}b.', /sets the state/],
    'a strange dtype': ['cnumpy\ndtype\n(S"O8"\ntR.', /NumPy type O8/],
    'a huge integer': ['\x80\x02\x8b\xff\xff\xff\x7f', /integer of 2147483647 bytes/],
  };
  for (const [what, [source, sentence]] of Object.entries(refused)) {
    it(`is refused: ${what}`, () => {
      assert.throws(() => read(text(source)), { code: 'media-undecodable', message: sentence });
    });
  }
});

describe('a damaged pickle', () => {
  it('is refused wherever it is cut', async () => {
    const whole = (await pickles()).get('boxes-4')!;
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => read(whole.subarray(0, length)), { code: 'media-undecodable' }, `cut at ${length}`);
    }
  });

  it('never ends in anything but a value or a sentence', async () => {
    const whole = (await pickles()).get('boxes-2')!;
    for (let at = 0; at < whole.length; at++) {
      for (const change of [1, 0x20, 0xff]) {
        const bytes = Uint8Array.from(whole);
        bytes[at] = bytes[at]! ^ change;
        try {
          read(bytes);
        } catch (error) {
          assert.equal(
            (error as { code?: string }).code,
            'media-undecodable',
            `byte ${at}: ${String(error)}`,
          );
        }
      }
    }
  });

  it('cannot nest without end, nor take what is not there', () => {
    assert.throws(() => read(text('('.repeat(2000))), /nested more than 1000 deep/);
    assert.throws(() => read(text('0.')), /takes a value where there is none/);
    assert.throws(() => read(text('t.')), /a mark that is not there/);
    assert.throws(() => read(text('g7\n.')), /recalls value 7/);
    assert.throws(() => read(text('N(K\x01e.')), /appends to what is no list/);
    assert.throws(() => read(text('](K\x01u.')), /no dictionary/);
  });

  it('may contain itself', () => {
    const list = read(text(']q\x00h\x00a.')) as unknown[];
    assert.equal(list[0], list);
  });
});
