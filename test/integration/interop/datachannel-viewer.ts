/**
 * A viewer by libdatachannel in a process of its own: the library now and then keeps a process from ending after a
 * connection was closed from the other side.
 */
import { DatachannelClient } from '../../helpers/datachannel-client.js';
import { serve } from '../../helpers/remote.js';
import { beginsKeyPicture } from '../../helpers/rtp-count.js';

const client = new DatachannelClient('interop');

const methods = {
  async offer(_: null) {
    return client.offer();
  },
  async answer({ sdp }: { sdp: string }) {
    client.answer(sdp);
  },
  async seen(_: null) {
    const { video, audio, state } = client;
    return {
      state,
      atMs: performance.now(),
      beganWithKeyPicture: video.firstPayload !== undefined && beginsKeyPicture(video.firstPayload),
      ...{ video: { ...video.totals }, audio: { ...audio.totals } },
    };
  },
};
export type ViewerMethods = typeof methods;
serve(methods);
