import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const inWeb = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: inWeb('.'),
  // The bot page is served under /bot/<id>, so every address in it is absolute.
  base: '/',
  // The ffmpeg worker imports its core with import(), which classic workers built as IIFE cannot.
  worker: { format: 'es' },
  optimizeDeps: { exclude: ['@ffmpeg/ffmpeg'] },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    rollupOptions: { input: { index: inWeb('index.html'), bot: inWeb('bot.html'), diagnose: inWeb('diagnose.html') } },
  },
  server: {
    proxy: Object.fromEntries(
      ['/v1', '/api', '/whep', '/assets/ffmpeg'].map((path) => [path, 'http://127.0.0.1:5000']),
    ),
  },
});
