/**
 * A viewer by libdatachannel in a process of its own, which is killed in the end: the library now and then keeps a process
 * from ending, or takes it along when it ends.
 */
import { DatachannelClient } from './datachannel-client.js';
import { serve } from './remote.js';
import { beginsKeyPicture } from './rtp-count.js';

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
      remoteAddress: client.pair?.remote.address,
      atMs: performance.now(),
      beganWithKeyPicture: video.firstPayload !== undefined && beginsKeyPicture(video.firstPayload),
      ...{ video: { ...video.totals }, audio: { ...audio.totals } },
    };
  },
};
export type ViewerMethods = typeof methods;
serve(methods);
