import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readMultipart } from '../../../signaling/multipart.js';
import { HttpRefusal } from '../../../signaling/problem.js';

const TYPE = 'multipart/form-data; boundary="the boundary"';
const BODY =
  'preamble\r\n--the boundary\r\nContent-Disposition: form-data; name="id"\r\n\r\nanna\r\n' +
  '--the boundary\r\nContent-Type: video/mp4\r\ncontent-disposition: form-data; name="file"; filename="a \\"b\\".mp4"\r\n\r\n' +
  '\r\n--the bound\r\n--the boundar!\r\n\r\n--the boundary--\r\nepilogue';

async function* cut(text: string, sizeBytes: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes);
}

async function parse(
  text: string,
  type = TYPE,
  sizeBytes = 7,
): Promise<{ name: string; filename: string | undefined; text: string }[]> {
  const parts = [];
  for await (const part of readMultipart(cut(text, sizeBytes), type)) {
    const chunks: Buffer[] = [];
    for await (const chunk of part.body) chunks.push(Buffer.from(chunk));
    parts.push({ name: part.name, filename: part.filename, text: Buffer.concat(chunks).toString('latin1') });
  }
  return parts;
}

describe('readMultipart', () => {
  it('reads the same parts wherever the chunks are cut', async () => {
    const expected = [
      { name: 'id', filename: undefined, text: 'anna' },
      { name: 'file', filename: 'a "b".mp4', text: '\r\n--the bound\r\n--the boundar!\r\n' },
    ];
    for (let sizeBytes = 1; sizeBytes <= BODY.length; sizeBytes += 1)
      assert.deepEqual(await parse(BODY, TYPE, sizeBytes), expected, String(sizeBytes));
  });

  it('skips a part that nobody reads', async () => {
    const names = [];
    for await (const part of readMultipart(cut(BODY, 3), TYPE)) names.push(part.name);
    assert.deepEqual(names, ['id', 'file']);
  });

  it('reads an empty part and an empty form', async () => {
    assert.deepEqual(
      await parse(
        '--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n--b--',
        'multipart/form-data; boundary=b',
      ),
      [{ name: 'x', filename: undefined, text: '' }],
    );
    assert.deepEqual(await parse('--b--\r\n', 'multipart/form-data; boundary=b'), []);
  });

  const broken: [name: string, body: string, type?: string][] = [
    ['no boundary', BODY, 'multipart/form-data'],
    ['an empty body', ''],
    ['no end', BODY.slice(0, -30)],
    ['a part without name', '--the boundary\r\n\r\nx\r\n--the boundary--'],
    ['an endless head', `--the boundary\r\n${'x'.repeat(20_000)}`],
    ['too many parts', '--the boundary\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n'.repeat(40)],
  ];
  for (const [name, body, type] of broken) {
    it(`refuses ${name}`, async () => {
      await assert.rejects(
        parse(body, type),
        (error) => error instanceof HttpRefusal && error.status === 400,
      );
    });
  }
});
