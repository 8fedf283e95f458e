import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { REVALIDATE, staticFile } from '../static-files.js';

const packages = createRequire(import.meta.url);

/** Nothing may come from elsewhere, so the pages work without the internet; both viewers style elements in place. */
const POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'";

const SWAGGER_FILES: ReadonlySet<string> = new Set([
  'swagger-ui.css',
  'swagger-ui-bundle.js',
  'favicon-16x16.png',
  'favicon-32x32.png',
]);

/** /openapi.json, Swagger UI and ReDoc; their programs come from the installed packages. */
export function docsRoutes(app: OpenAPIHono, version: string): void {
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'Musecast',
      version,
      description: 'A prepared face speaks any audio, streamed over WebRTC and motion JPEG.',
    },
    tags: [
      { name: 'avatars', description: 'Faces that can speak' },
      { name: 'sessions', description: 'Talking avatars' },
      { name: 'whep', description: 'Playback over WebRTC' },
      { name: 'livetalking', description: 'The API of clients of LiveTalking, where it is switched on' },
      { name: 'legacy', description: 'The API of existing clients' },
      { name: 'operations', description: 'Health and figures' },
    ],
  });

  app.get('/docs', (c) => c.html(SWAGGER_PAGE, 200, PAGE_HEADERS));
  app.get('/docs/assets/start.js', (c) => c.body(SWAGGER_START, 200, SCRIPT_HEADERS));
  app.get('/docs/assets/:file', async (c) => {
    const file = c.req.param('file');
    const root = path.dirname(packages.resolve('swagger-ui-dist/package.json'));
    return (
      (SWAGGER_FILES.has(file) ? await staticFile(c, root, file, REVALIDATE) : undefined) ?? c.notFound()
    );
  });

  app.get('/redoc', (c) => c.html(REDOC_PAGE, 200, PAGE_HEADERS));
  app.get('/redoc/assets/redoc.standalone.js', async (c) =>
    c.body(await redocProgram(), 200, SCRIPT_HEADERS),
  );
}

const PAGE_HEADERS = { 'Cache-Control': REVALIDATE, 'Content-Security-Policy': POLICY };
const SCRIPT_HEADERS = {
  'Content-Type': 'text/javascript; charset=utf-8',
  'Cache-Control': 'public, max-age=3600',
};

let redoc: Promise<string> | undefined;

/** ReDoc's badge loads its logo from a CDN; a one-pixel picture takes its place. */
function redocProgram(): Promise<string> {
  redoc ??= readFile(packages.resolve('redoc/bundles/redoc.standalone.js'), 'utf8').then((text) =>
    text.replaceAll('https://cdn.redoc.ly/redoc/logo-mini.svg', EMPTY_PICTURE),
  );
  return redoc;
}

const EMPTY_PICTURE = 'data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==';

const SWAGGER_PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Musecast API</title>
    <link rel="stylesheet" href="/docs/assets/swagger-ui.css">
    <link rel="icon" type="image/png" sizes="32x32" href="/docs/assets/favicon-32x32.png">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/assets/swagger-ui-bundle.js"></script>
    <script src="/docs/assets/start.js"></script>
  </body>
</html>
`;

// validatorUrl: without it the page would send the address of the document to a service on the internet.
const SWAGGER_START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });
`;

const REDOC_PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Musecast API</title>
    <link rel="icon" href="data:,">
  </head>
  <body>
    <redoc spec-url="/openapi.json"></redoc>
    <script src="/redoc/assets/redoc.standalone.js"></script>
  </body>
</html>
`;
