import type { MaterialSummary } from '../engine/faces/prepare-material.js';
import { createLogger } from '../logger.js';
import { serveJob } from './job.js';
import { prepareFaces, type PrepareFacesInput } from './prepare-faces.js';

/** Process entry: prepares an avatar that is there already for an engine of generated faces (see job.ts). */
await serveJob<PrepareFacesInput & { logLevel: string }, MaterialSummary>(
  async (input, { onProgress, signal }) => {
    const log = createLogger(input.logLevel, { process: 'faces', avatar: input.id });
    return prepareFaces({ ...input, onProgress, signal, log });
  },
);
