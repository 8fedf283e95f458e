/** A server whose sessions are drawn by the flash engine: the real one but for that, with the same options. */
import { fileURLToPath } from 'node:url';
import { readConfig } from '../../src/config.js';
import { startServer } from '../../src/main.js';

const server = await startServer(readConfig(process.argv.slice(2), process.env), {
  engineModule: fileURLToPath(new URL('./flash-engine.js', import.meta.url)),
});
process.stdout.write(`Musecast listens on ${server.url}\n`);
process.once('SIGTERM', () => void server.close().finally(() => process.exit(0)));
