import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { writeAnswer } from '../../../src/sdp/answer.js';
import { readOffer, type Offer, type VideoCodec } from '../../../src/sdp/offer.js';
import { AUDIO, CHROMIUM_OFFER, FINGERPRINT, offer, section, VIDEO } from '../../helpers/offers.js';

const without = (sdp: string, pattern: RegExp): string =>
  sdp
    .split('\r\n')
    .filter((line) => !pattern.test(line))
    .join('\r\n');

/** The answer to an offer, its streams numbered from 1000 on. */
function answerTo(from: Offer, lite = false): string {
  const streams = new Map(
    from.sections.flatMap((one, at) =>
      one.codec === undefined ? [] : [[one, { ssrc: 1000 + 2 * at, rtxSsrc: 1001 + 2 * at }] as const],
    ),
  );
  const transport = { ufrag: 'Srvr', pwd: 'pwd-of-the-server-0123', fingerprint: 'AB:CD', lite };
  return writeAnswer(
    from,
    { ...transport, candidates: ['candidate:1 1 udp 1 192.0.2.1 4000 typ host'] },
    streams,
    'name',
  );
}

const mLines = (sdp: string): string[] => [...sdp.matchAll(/^m=.*$/gm)].map(([line]) => line);
const mids = (sdp: string): string[] => [...sdp.matchAll(/^a=mid:(.*)$/gm)].map((found) => found[1] ?? '');
const bundleOf = (sdp: string): string | undefined => /^a=group:BUNDLE (.*)\r$/m.exec(sdp)?.[1];
const code = (sdp: string, codecs?: readonly VideoCodec[]): string => {
  try {
    readOffer(sdp, codecs);
    return 'read';
  } catch (error) {
    const { code = 'no AppError', message } = error as { code?: string; message: string };
    assert.match(message, /^the offer [^\n]{5,200}$/);
    return code;
  }
};

describe('offers that are read', () => {
  it('that of Chromium, to the last field', () => {
    const read = readOffer(CHROMIUM_OFFER);
    assert.deepEqual(read.ice, { ufrag: 'Vwer', pwd: 'Vwer-0123456789012345678901' });
    assert.deepEqual(read.fingerprints, [{ algorithm: 'sha-256', value: FINGERPRINT }]);
    assert.deepEqual(
      read.sections.map(({ kind, mid }) => [kind, mid]),
      [
        ['audio', '0'],
        ['video', '1'],
      ],
    );
    const [audio, video] = read.sections;
    assert.deepEqual(
      [audio?.codec?.name, audio?.codec?.payloadType, audio?.codec?.rtxPayloadType],
      ['opus', 111, undefined],
    );
    assert.deepEqual(
      [video?.codec?.name, video?.codec?.payloadType, video?.codec?.rtxPayloadType],
      ['VP8', 96, 97],
    );
    assert.deepEqual(video?.codec?.feedback, ['goog-remb', 'ccm fir', 'nack', 'nack pli']);
    assert.equal(read.iceLite, false);
  });

  it('one like that of Firefox: fingerprint for the whole, other numbers, picture first', () => {
    const codecs = [
      ...[
        'rtpmap:120 VP8/90000',
        'fmtp:120 max-fs=12288;max-fr=60',
        'rtpmap:124 rtx/90000',
        'fmtp:124 apt=120',
      ],
      ...['rtcp-fb:120 nack', 'rtcp-fb:120 nack pli'],
    ];
    const video = section({ ...VIDEO, codecs, types: '120 124 121' }).filter(
      (line) => !line.startsWith('a=fingerprint'),
    );
    const audio = section({ ...AUDIO, codecs: ['rtpmap:109 opus/48000/2'], types: '109 9 0 8 101' }).filter(
      (line) => !line.startsWith('a=fingerprint'),
    );
    const session = [`a=fingerprint:sha-256 ${FINGERPRINT}`, 'a=ice-options:trickle', 'a=sendrecv'];
    const read = readOffer(offer([video, audio], { session }));
    assert.deepEqual(
      read.sections.map(({ codec }) => [codec?.payloadType, codec?.rtxPayloadType]),
      [
        [120, 124],
        [109, undefined],
      ],
    );
    assert.equal(read.fingerprints.length, 1);
  });

  it('one like that of aiortc: credentials of its own in each section', () => {
    const read = readOffer(
      offer([section({ ...AUDIO, ufrag: 'AAAA' }), section({ ...VIDEO, ufrag: 'BBBB' })]),
    );
    assert.equal(read.ice.ufrag, 'AAAA');
    assert.deepEqual([...read.ufrags], ['AAAA', 'BBBB']);
  });

  it('credentials in another section only', () => {
    const bare = section(AUDIO).filter((line) => !line.startsWith('a=ice-'));
    assert.equal(readOffer(offer([bare, section(VIDEO)])).ice.ufrag, 'Vwer');
  });

  it('one section alone needs no bundle', () => {
    assert.equal(code(offer([section(VIDEO)], { bundle: undefined })), 'read');
    assert.equal(bundleOf(answerTo(readOffer(offer([section(VIDEO)], { bundle: undefined })))), '1');
  });

  it('candidates, LF line ends, wildcard feedback, setup:active', () => {
    const candidate = 'candidate:1 1 udp 2113937151 192.0.2.7 5000 typ host';
    const sdp = CHROMIUM_OFFER.replace('a=mid:0', `a=${candidate}\r\na=mid:0`);
    assert.deepEqual(readOffer(sdp.replaceAll('\r\n', '\n')).candidates, [candidate]);
    assert.equal(code(sdp.replaceAll('actpass', 'active')), 'read');
    const wild = readOffer(sdp.replaceAll('a=rtcp-fb:96', 'a=rtcp-fb:*'));
    assert.ok(wild.sections[1]?.codec?.feedback.includes('nack pli'));
    assert.equal(wild.sections[1]?.codec?.rtxPayloadType, 97);
  });

  it('repeats only if they can be asked for, and under a number that fits', () => {
    const rtxOf = (sdp: string): number | undefined => readOffer(sdp).sections[1]?.codec?.rtxPayloadType;
    assert.equal(rtxOf(without(CHROMIUM_OFFER, /^a=rtcp-fb:96 nack$/)), undefined);
    assert.equal(rtxOf(CHROMIUM_OFFER.replaceAll(/\b97\b/g, '200')), undefined);
    assert.equal(rtxOf(CHROMIUM_OFFER.replaceAll('apt=96', 'x=1; apt=96')), 97);
  });
});

describe('offers that are refused', () => {
  const cases: [string, string, string][] = [
    ['nothing', '', 'sdp-invalid'],
    ['JSON', '{"type":"offer","sdp":"v=0"}', 'sdp-invalid'],
    ['no m-line', 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n', 'sdp-invalid'],
    ['a broken m-line', CHROMIUM_OFFER.replace('m=audio 9', 'm=audio nine'), 'sdp-invalid'],
    ['a line that is no SDP', CHROMIUM_OFFER.replace('s=-', 'session'), 'sdp-invalid'],
    ['no user fragment', without(CHROMIUM_OFFER, /^a=ice-ufrag/), 'sdp-invalid'],
    ['no password', without(CHROMIUM_OFFER, /^a=ice-pwd/), 'sdp-invalid'],
    ['no fingerprint', without(CHROMIUM_OFFER, /^a=fingerprint/), 'sdp-invalid'],
    ['too much', `${CHROMIUM_OFFER}${'a=x:y\r\n'.repeat(20_000)}`, 'sdp-invalid'],
    ['no bundle', offer([section(AUDIO), section(VIDEO)], { bundle: undefined }), 'sdp-unsupported'],
    ['a bundle of half of it', offer([section(AUDIO), section(VIDEO)], { bundle: '0' }), 'sdp-unsupported'],
    ['only a data channel', offer([section({ mid: '0', kind: 'application' })]), 'sdp-unsupported'],
    ['two pictures', offer([section(VIDEO), section({ ...VIDEO, mid: '2' })]), 'sdp-unsupported'],
    ['sending', CHROMIUM_OFFER.replaceAll('recvonly', 'sendonly'), 'sdp-unsupported'],
    ['no direction', CHROMIUM_OFFER.replaceAll('recvonly', 'inactive'), 'sdp-unsupported'],
    ['a viewer that waits', CHROMIUM_OFFER.replaceAll('actpass', 'passive'), 'sdp-unsupported'],
    ['a held connection', CHROMIUM_OFFER.replaceAll('actpass', 'holdconn'), 'sdp-unsupported'],
    ['plain RTP', CHROMIUM_OFFER.replaceAll('UDP/TLS/RTP/SAVPF', 'RTP/AVP'), 'sdp-unsupported'],
    ['foreign sound', CHROMIUM_OFFER.replaceAll('opus/48000', 'G722/8000'), 'sdp-unsupported'],
    ['H.264 alone where it is not coded', without(CHROMIUM_OFFER, /VP8/), 'sdp-unsupported'],
    [
      'a codec without its number in the m-line',
      CHROMIUM_OFFER.replace('SAVPF 96 97', 'SAVPF 97'),
      'sdp-unsupported',
    ],
    ['all rejected', CHROMIUM_OFFER.replaceAll(/^(m=\w+) 9/gm, '$1 0'), 'sdp-unsupported'],
  ];
  for (const [name, sdp, expected] of cases) it(name, () => assert.equal(code(sdp), expected));

  it('100 sections', () => {
    const many = Array.from({ length: 100 }, (_, n) => section({ mid: `${n}`, kind: 'application' }));
    assert.equal(code(offer(many)), 'sdp-unsupported');
  });
});

describe('offers of H.264', () => {
  const both: readonly VideoCodec[] = ['VP8', 'H264'];
  const H264_ONLY = without(CHROMIUM_OFFER, /VP8/);
  const videoOf = (sdp: string) => readOffer(sdp, both).sections[1]?.codec;

  it('are taken where there is no VP8, with repeats and feedback', () => {
    const codec = videoOf(H264_ONLY);
    assert.deepEqual(
      [codec?.name, codec?.payloadType, codec?.rtxPayloadType, codec?.profileLevelId],
      ['H264', 102, 103, '42e01f'],
    );
    assert.deepEqual(codec?.feedback, ['ccm fir', 'nack', 'nack pli']);
  });

  it('change nothing where there is VP8, whatever the order', () => {
    const swapped = CHROMIUM_OFFER.replace('96 97 102 103', '102 103 96 97');
    for (const sdp of [CHROMIUM_OFFER, swapped]) {
      assert.equal(videoOf(sdp)?.name, 'VP8');
      assert.equal(videoOf(sdp)?.profileLevelId, undefined);
    }
  });

  it('are answered with the profile of the offer', () => {
    const answer = answerTo(readOffer(H264_ONLY.replace('42e01f', '42001F'), both));
    assert.match(answer, /^m=video 9 UDP\/TLS\/RTP\/SAVPF 102 103\r$/m);
    assert.match(answer, /^a=rtpmap:102 H264\/90000\r$/m);
    const fmtp = 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f';
    assert.ok(answer.includes(`\r\na=fmtp:102 ${fmtp}\r\n`));
    assert.match(answer, /^a=fmtp:103 apt=102\r$/m);
    assert.match(answer, /^a=rtcp-fb:102 nack pli\r$/m);
    assert.doesNotMatch(answer, /VP8/);
  });

  it('are taken by the first number that fits', () => {
    const codecs = [
      ...['rtpmap:98 H264/90000', 'fmtp:98 packetization-mode=0;profile-level-id=42e01f'],
      ...['rtpmap:99 H264/90000', 'fmtp:99 packetization-mode=1;profile-level-id=64001f'],
      ...['rtpmap:100 h264/90000', 'fmtp:100 profile-level-id=42E034; packetization-mode=1'],
    ];
    const sdp = offer([section(AUDIO), section({ ...VIDEO, codecs, types: '98 99 100' })]);
    assert.equal(videoOf(sdp)?.payloadType, 100);
    assert.equal(videoOf(sdp)?.rtxPayloadType, undefined);
  });

  const unfit: [string, string, string][] = [
    ['another mode', 'packetization-mode=1', 'packetization-mode=0'],
    ['no mode', 'packetization-mode=1;', ''],
    ['another profile', '42e01f', '4d001f'],
    ['a lower level', '42e01f', '42e01e'],
    ['no profile', ';profile-level-id=42e01f', ''],
    ['a garbled profile', '42e01f', '42e0'],
  ];
  for (const [name, from, to] of unfit)
    it(`are refused with ${name}`, () => {
      assert.equal(code(H264_ONLY.replace(from, to), both), 'sdp-unsupported');
    });
});

describe('answers', () => {
  it('mirror order, names and numbers of the offer', () => {
    const data = section({ mid: 'data', kind: 'application' });
    const sdp = offer([data, section({ ...VIDEO, mid: 'v' }), section({ ...AUDIO, mid: 'a' })]);
    const answer = answerTo(readOffer(sdp));
    assert.deepEqual(mids(answer), ['data', 'v', 'a']);
    assert.deepEqual(
      mLines(answer),
      [
        'm=application 0 UDP/DTLS/SCTP webrtc-datachannel\r',
        'm=video 9 UDP/TLS/RTP/SAVPF 96 97\r',
        'm=audio 9 UDP/TLS/RTP/SAVPF 111\r',
      ].map((line) => line.trimEnd()),
    );
    assert.equal(bundleOf(answer), 'v a', 'a rejected section leaves the bundle (RFC 8843 section 7.3.3)');
    assert.equal([...answer.matchAll(/^a=sendonly/gm)].length, 2);
    assert.equal([...answer.matchAll(/^a=setup:passive/gm)].length, 2);
    assert.equal(
      [...answer.matchAll(/^a=candidate:/gm)].length,
      1,
      'once, in the section that names the transport',
    );
    assert.match(answer, /^a=ssrc-group:FID 1002 1003\r$/m);
    assert.match(answer, /^a=extmap:2 http:\/\/www\.webrtc\.org\/experiments\/rtp-hdrext\/abs-send-time\r$/m);
    assert.doesNotMatch(answer, /transport-cc|H264|playout-delay/);
    assert.ok(answer.endsWith('\r\n') && !/[^\r]\n/.test(answer));
  });

  it('take a bundle-only section with port 0, reject one that is just rejected', () => {
    const bundleOnly = section({ ...VIDEO, port: 0, more: ['a=bundle-only'] });
    const taken = answerTo(readOffer(offer([section(AUDIO), bundleOnly])));
    assert.match(taken, /^m=video 9 /m);
    const rejected = answerTo(
      readOffer(offer([section(AUDIO), section({ ...VIDEO, port: 0 })], { bundle: '0' })),
    );
    assert.match(rejected, /^m=video 0 /m);
    assert.equal(bundleOf(rejected), '0');
    assert.deepEqual(mids(rejected), ['0', '1']);
  });

  it('say that the server is lite only if it is', () => {
    const read = readOffer(CHROMIUM_OFFER);
    assert.match(answerTo(read, true), /^a=ice-lite\r$/m);
    assert.doesNotMatch(answerTo(read), /ice-lite/);
  });
});

describe('offers cut and bent', () => {
  it('are read or refused with a code, whatever line is missing, doubled or garbled', () => {
    const lines = CHROMIUM_OFFER.split('\r\n');
    const bend: ((line: string) => string[])[] = [
      () => [],
      (line) => [line, line],
      (line) => [line.slice(0, line.length / 2)],
      (line) => [`${line}${'9'.repeat(50)}`],
      (line) => [line.replaceAll(/\d/g, '\u{1F600}')],
      (line) => [line.toUpperCase()],
    ];
    for (let at = 0; at < lines.length; at++) {
      assert.ok(['read', 'sdp-invalid', 'sdp-unsupported'].includes(code(lines.slice(0, at).join('\r\n'))));
      for (const one of bend) {
        const bent = lines.flatMap((line, n) => (n === at ? one(line) : [line])).join('\r\n');
        const found = code(bent, ['VP8', 'H264']);
        assert.ok(['read', 'sdp-invalid', 'sdp-unsupported'].includes(found), `${found}: ${bent}`);
        if (found === 'read') answerTo(readOffer(bent, ['VP8', 'H264']));
      }
    }
  });
});

describe('offers of publishers (RFC 9725)', () => {
  const refusal = (sdp: string): string => {
    try {
      readOffer(sdp, [], 'publisher');
      return 'read';
    } catch (error) {
      const { code = 'no AppError', message } = error as { code?: string; message: string };
      assert.match(message, /^the offer [^\n]{5,200}$/);
      return code;
    }
  };
  const sound = (direction: string): string => offer([section({ ...AUDIO, direction })]);

  it('are answered with receive only, and nothing of a stream of ours', () => {
    for (const direction of ['sendonly', 'sendrecv']) {
      const read = readOffer(sound(direction), [], 'publisher');
      const transport = { ufrag: 'Srvr', pwd: 'pwd-of-the-server-0123', fingerprint: 'AB:CD', lite: false };
      const answer = writeAnswer(read, { ...transport, candidates: [] }, 'recvonly');
      assert.deepEqual(
        mLines(answer),
        ['m=audio 9 UDP/TLS/RTP/SAVPF 111\r'].map((line) => line.trim()),
      );
      assert.match(answer, /^a=recvonly\r$/m);
      assert.match(answer, /^a=setup:passive\r$/m);
      assert.doesNotMatch(answer, /a=(ssrc|msid|sendonly)/);
    }
  });

  it('are refused when they only receive, or send a picture', () => {
    assert.equal(refusal(sound('recvonly')), 'sdp-unsupported');
    assert.equal(refusal(sound('inactive')), 'sdp-unsupported');
    const both = [AUDIO, VIDEO].map((shape) => section({ ...shape, direction: 'sendonly' }));
    assert.equal(refusal(offer(both)), 'sdp-unsupported');
    assert.equal(
      refusal(offer([section({ ...AUDIO, direction: 'sendonly', codecs: [] })])),
      'sdp-unsupported',
    );
  });
});
