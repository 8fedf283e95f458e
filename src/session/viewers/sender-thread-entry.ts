import { parentPort, workerData } from 'node:worker_threads';
import { AppError, toAppError } from '../../errors.js';
import { clockLike } from '../../lib/shared-clock.js';
import { createLogger } from '../../logger.js';
import { createTransportHost } from '../../transport/create-transport-host.js';
import { localAudiences } from './local-audience.js';
import type { FromSender, SenderStart, ToSender } from './sender-messages.js';
import { SenderService } from './sender-service.js';

/** Entry point of a sender thread: sockets of its own, and the audiences that the server sends here. */

const TELL_DEMAND_MS = 100;
const BEAT_MS = 1000;

if (parentPort === null) throw new AppError('internal', 'the sender thread was started as a process');
const port = parentPort;
const start = workerData as SenderStart;
const post = (message: FromSender): void => port.postMessage(message);
const log = createLogger(start.logLevel, { thread: 'sender' });

try {
  const transport = await createTransportHost({ ...start.transport, identity: start.identity, log });
  const service = new SenderService({
    openAudience: localAudiences({ transport, clock: clockLike(start.moment), log }),
    post,
  });
  setInterval(() => service.tellDemand(), TELL_DEMAND_MS);
  setInterval(() => post({ type: 'alive' }), BEAT_MS);
  port.on('message', (message: ToSender) => {
    if (message.type === 'audience') service.receive(message.audienceId, message.message);
    else {
      service.close();
      // Of the thread, not of the process. Timers of viewers that said no goodbye must not keep it.
      void transport.ice.close().finally(() => process.exit(0));
    }
  });
  post({ type: 'ready', candidates: transport.ice.candidates, port: transport.ice.port });
} catch (error) {
  const { code, message } = toAppError(error);
  post({ type: 'failed', code, message });
  port.close();
}
