import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { lcg } from '../helpers/live-sound.js';
import { makeMedia } from '../helpers/media.js';
import { postJsonTo, startTestServer, until } from '../helpers/server.js';
import { TELLTALE, Telltale } from './isolation/telltale.js';

/**
 * Whether sessions keep to themselves: `npm run bench:isolation -- [--seconds 600] [--json]`. Two sessions with faces of
 * different colour and voices of different pitch speak unevenly arriving sound at once, while a third one comes, is
 * interrupted and goes. Every decoded picture is judged by its colour and every 50 ms of decoded sound by both pitches, in
 * the viewers' browsers. Exits with 1 if a picture or sound of one was in the other, or if a sample was lost.
 */

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '600' }, json: { type: 'boolean', default: false } },
});
const seconds = Number(values.seconds);
if (!(seconds >= 10)) {
  process.stderr.write('--seconds takes a number from 10 on\n');
  process.exit(2);
}
if (chromiumPath() === undefined) {
  process.stderr.write('bench:isolation needs Chromium (Debian: apt-get install chromium)\n');
  process.exit(1);
}

const server = await startTestServer();
const browser = await openBrowser();
try {
  const avatars = await Promise.all(
    TELLTALE.map(async ({ name, tint }) => {
      const file = path.join(server.dataDir, `${name}.png`);
      await makeMedia(['-i', 'web/public/demo/portrait.jpg', '-vf', tint, '-frames:v', '1', file]);
      const form = new FormData();
      form.set('id', name);
      form.set('file', new Blob([await readFile(file)]), `${name}.png`);
      const response = await fetch(`${server.url}/v1/avatars`, { method: 'POST', body: form });
      if (response.status !== 202) throw new Error(`avatar ${name}: ${await response.text()}`);
      await until(`avatar ${name}`, async () => {
        const { state } = (await (await fetch(`${server.url}/v1/avatars/${name}`)).json()) as {
          state: string;
        };
        return state === 'ready' || undefined;
      });
      return name;
    }),
  );
  const random = lcg(6);
  const talkers = await Promise.all(
    avatars.map((avatar, which) => Telltale.open(server, browser, avatar, which, random)),
  );
  const endMs = performance.now() + seconds * 1000;
  let guests = 0;
  const comeAndGo = async () => {
    while (performance.now() < endMs) {
      const { json } = await postJsonTo(server, '/v1/sessions', { avatar: 'demo' });
      const id = String(json['id']);
      await postJsonTo(server, `/v1/sessions/${id}/utterances`, { demo: true });
      await new Promise((resolve) => setTimeout(resolve, 2000 + 2000 * random()));
      await postJsonTo(server, `/v1/sessions/${id}/interrupt`, {});
      await fetch(`${server.url}/v1/sessions/${id}`, { method: 'DELETE' });
      guests += 1;
    }
  };
  await Promise.all([...talkers.map((talker) => talker.speakUntil(endMs)), comeAndGo()]);
  const figures = await Promise.all(talkers.map((talker) => talker.end()));
  const result = { bench: 'isolation', seconds, guests, sessions: figures };
  for (const one of figures)
    process.stdout.write(
      `${one.avatar}: ${one.pictures} pictures, ${one.strangePictures} not its own (nearest to the other's colour ` +
        `${one.colourMargin}); ${one.soundPieces} pieces of sound, ${one.strangePieces} not its own ` +
        `(other pitch at most ${one.otherPitchDb} dB of its own); ${one.spokenS} s spoken, ${one.lostSamples} samples lost\n`,
    );
  process.stdout.write(`beside them ${guests} sessions came, were interrupted and went\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  const faults = figures.map((one) => one.strangePictures + one.strangePieces + one.lostSamples);
  if (faults.some((count) => count > 0)) process.exitCode = 1;
} finally {
  await browser.close();
  await server.close();
}
