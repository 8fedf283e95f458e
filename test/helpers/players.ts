/// <reference lib="dom" />
/** Entry of a bundle for pages: two players of other people's making, as `window.players`. */
import { WHEPClient } from '@binbat/whip-whep/whep.js';
import { WebRTCPlayer } from '@eyevinn/webrtc-player';

export const players = { WHEPClient, WebRTCPlayer };
export type PlayersWindow = Window & { players: typeof players };
(window as unknown as PlayersWindow).players = players;
