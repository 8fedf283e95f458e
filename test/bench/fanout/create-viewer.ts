import { silentLog } from '../../../src/lib/log.js';
import type { FanOut } from '../../../src/session/fan-out.js';
import { Peer } from '../../../src/session/peer.js';

/** The one place where the bench makes a viewer of the product: answers the offer and adds the peer to the fan-out. */
export async function createViewer(
  id: string,
  offerSdp: string,
  fanOut: FanOut,
  onClosed: (reason: string) => void,
): Promise<string> {
  const peer = await Peer.create({
    ...{ id, offerSdp, log: silentLog },
    onKeyframeNeeded: () => fanOut.requestKeyframe(),
    onConnected() {},
    onClosed: (reason) => {
      fanOut.remove(id);
      onClosed(reason);
    },
  });
  fanOut.add(peer);
  return peer.answerSdp;
}
