/** A viewer to be killed: joins the WHEP endpoint it is given and says `playing` with the first packet of a picture. */
import { DatachannelClient } from './datachannel-client.js';
import { joinWhep } from './whep-join.js';

const client = new DatachannelClient('to be killed');
await joinWhep(client, process.argv[2] ?? '');
await client.until('picture', ({ video }) => video.totals.packets > 0);
process.stdout.write('playing\n');
setInterval(() => {}, 1000);
