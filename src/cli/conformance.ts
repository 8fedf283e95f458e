import { parseArgs } from 'node:util';
import { table } from './conformance/rows.js';
import { whepMatrix } from './conformance/whep-matrix.js';

/** `npm run conformance -- <URL of a WHEP endpoint> [--token T] [--json]`: exit status 1 if a MUST is not kept. */

const USAGE = `usage: npm run conformance -- <URL of a WHEP endpoint with a live stream> [--token T] [--json]`;

function readArgs(): { url: string; token: string | undefined; json: boolean } | undefined {
  try {
    const { values, positionals } = parseArgs({
      options: { token: { type: 'string' }, json: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    const [url = '', ...more] = positionals;
    const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
    return isHttp && more.length === 0 ? { url, token: values.token, json: values.json } : undefined;
  } catch {
    return undefined;
  }
}

const args = readArgs();
if (args === undefined) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(2);
}
const rows = await whepMatrix(args.url, args.token);
const counts = {
  pass: rows.count('pass'),
  warn: rows.count('warn'),
  fail: rows.count('fail'),
  skip: rows.count('skip'),
};
if (args.json) process.stdout.write(`${JSON.stringify({ endpoint: args.url, ...counts, rows: rows.all })}\n`);
else {
  process.stdout.write(`${table(rows.all)}\n`);
  process.stdout.write(
    `${counts.pass} pass, ${counts.warn} warn, ${counts.fail} fail, ${counts.skip} skipped\n`,
  );
}
process.exitCode = counts.fail > 0 ? 1 : 0;
