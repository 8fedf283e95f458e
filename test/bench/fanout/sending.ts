import { Remote } from '../../helpers/remote.js';
import type { SendingSide } from './rig.js';
import type { SenderMethods, SenderReading } from './sender.js';

/** The product's sending process. */
export interface Sender extends SendingSide {
  readonly bitrates: { readonly videoBps: number; readonly audioBps: number };
  /** @param senders threads that send; 0: the process's own */
  start(senders?: number): Promise<void>;
  mark(): Promise<void>;
  read(): Promise<SenderReading>;
  close(): Promise<void>;
}

/** Resolves when its clip is coded. */
export async function openSender(): Promise<Sender> {
  const remote = Remote.module<SenderMethods>(new URL('sender.js', import.meta.url));
  return {
    pid: remote.pid,
    bitrates: await remote.call('bitrates', null),
    join: (id, offerSdp) => remote.call('join', { id, offerSdp }),
    start: (senders = 0) => remote.call('start', { senders }),
    mark: () => remote.call('mark', null),
    read: () => remote.call('read', null),
    close: () => remote.close(),
  };
}
