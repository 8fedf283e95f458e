import { silentLog } from '../../../src/lib/log.js';
import type { FanOut } from '../../../src/session/viewers/fan-out.js';
import { Peer } from '../../../src/session/viewers/peer.js';
import { createTransportHost } from '../../../src/transport/create-transport-host.js';

const transport = createTransportHost({ tcp: false, lite: false, publicHosts: [], log: silentLog });

/** The one place where the bench makes a viewer of the product: answers the offer and adds the peer to the fan-out. */
export async function createViewer(
  id: string,
  offerSdp: string,
  fanOut: FanOut,
  onClosed: (reason: string) => void,
): Promise<string> {
  const peer = new Peer({
    ...{ id, offerSdp, log: silentLog, transport: await transport },
    ladder: [{ name: 'high', bps: 1_000_000 }],
    onKeyframeNeeded: (rendition) => fanOut.requestKeyframe(rendition),
    onConnected() {},
    onClosed: (reason) => {
      fanOut.remove(id);
      onClosed(reason);
    },
  });
  fanOut.add(peer);
  return peer.answerSdp;
}
