import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { isAppError } from '../../src/errors.js';
import { route } from '../describe.js';
import type { DiagnosisPort } from '../ports.js';
import { HttpRefusal } from '../problem.js';

const RETRY_AFTER_S = 10;

const diagnosisSchema = z
  .object({
    checks: z.array(
      z.object({ name: z.string(), ok: z.boolean(), ms: z.number().optional(), detail: z.string() }),
    ),
    summary: z.array(z.string()),
    candidates: z.array(
      z.object({
        address: z.string(),
        port: z.number().int(),
        protocol: z.enum(['udp', 'tcp']),
        type: z.enum(['host', 'public', 'loopback']),
        ok: z.boolean(),
        ms: z.number().optional(),
        fault: z.string().optional(),
      }),
    ),
    publicHosts: z.array(z.string()),
    icePort: z.number().int(),
    lite: z.boolean(),
    turn: z.array(z.string()).optional(),
  })
  .openapi('Diagnosis');

/** The server's test of itself; what fails is told in the body, so the status is 200 also then. */
export function diagnoseRoutes(app: OpenAPIHono, diagnosis: DiagnosisPort): void {
  route(
    app,
    {
      method: 'get',
      path: '/v1/diagnose',
      tag: 'operations',
      summary: 'Connect to the demo avatar from inside and say what fails',
      status: 200,
      answer: 'What was tried and how it went',
      schema: diagnosisSchema,
      refusals: [429],
    },
    async function diagnose(c) {
      try {
        return c.json(await diagnosis.run(), 200, { 'Cache-Control': 'no-store' });
      } catch (error) {
        if (!isAppError(error, 'no-capacity')) throw error;
        throw new HttpRefusal(429, 'too-many-requests', error.message, {
          headers: { 'Retry-After': String(RETRY_AFTER_S) },
        });
      }
    },
  );
}
