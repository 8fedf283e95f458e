import { createRequire } from 'node:module';
import path from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { IMMUTABLE, REVALIDATE, staticFile } from '../static-files.js';

/** The web interface and ffmpeg's WebAssembly build, which the page uses to shrink a video before the upload. */
export function pageRoutes(app: OpenAPIHono, webDir: string): void {
  const ffmpegDist = ffmpegCoreDir();

  app.get('/', (c) => page(c, webDir, 'index.html'));
  app.get('/diagnose', (c) => page(c, webDir, 'diagnose.html'));
  app.get('/bot/:id', (c) => page(c, webDir, 'bot.html'));
  app.get('/assets/ffmpeg/:flavour{esm|umd}/:file', async (c) => {
    const relative = `${c.req.param('flavour')}/${c.req.param('file')}`;
    // The name carries no version, so a changed package has to be noticed: revalidate rather than keep for ever.
    const file = ffmpegDist === undefined ? undefined : await staticFile(c, ffmpegDist, relative, REVALIDATE);
    return file ?? c.notFound();
  });
}

/** A file of the built page for a GET that no route has taken. */
export async function webFile(c: Context, webDir: string): Promise<Response | undefined> {
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return undefined;
  // The raw path: the router's own normalising must not hide a way out of the folder.
  const relative = new URL(c.req.url).pathname;
  // Vite puts a hash of the content into the names below assets/.
  return staticFile(c, webDir, relative, relative.startsWith('/assets/') ? IMMUTABLE : REVALIDATE);
}

async function page(c: Context, webDir: string, name: string): Promise<Response> {
  return (await staticFile(c, webDir, name, REVALIDATE)) ?? c.notFound();
}

function ffmpegCoreDir(): string | undefined {
  try {
    const main = createRequire(import.meta.url).resolve('@ffmpeg/core');
    return path.dirname(path.dirname(main));
  } catch {
    return undefined;
  }
}
