import { randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.js';
import type { IceCredentials } from './ice-agent.js';
import { candidatePriority } from './ice-candidate.js';
import { openWire, type ProbeTarget, type ProbeWire } from './probe-wire.js';
import { readStun, writeStun } from './stun.js';

const REPEAT_MS = 100;

export interface IceProbeOptions<Target extends ProbeTarget> {
  readonly local: IceCredentials;
  readonly remote: IceCredentials;
  /** Best first. */
  readonly targets: readonly Target[];
  readonly clock: Clock;
  /** Once for each candidate that answered a check; the first one is nominated. */
  onReached(target: Target, first: boolean): void;
  /** What came on the nominated pair and is no STUN. */
  onData(data: Buffer): void;
}

/**
 * The viewer's side of ICE (RFC 8445, controlling) against candidates of this server, for its test of itself: it checks
 * each of them, nominates the first that answers and answers the server's own checks.
 */
export class IceProbe<Target extends ProbeTarget> {
  readonly #options: IceProbeOptions<Target>;
  readonly #tieBreaker = randomBytes(8);
  readonly #wires: { readonly target: Target; readonly wire: ProbeWire }[] = [];
  readonly #sent = new Map<string, Target>();
  readonly #reached = new Set<Target>();
  readonly #faults = new Map<Target, string>();
  #nominated: ProbeWire | undefined;
  #stopRepeating = (): void => {};

  constructor(options: IceProbeOptions<Target>) {
    this.#options = options;
    for (const target of options.targets) {
      const wire: ProbeWire = openWire(target, {
        onData: (data) => this.#receive(data, target, wire),
        onFault: (reason) => this.#faults.set(target, reason),
      });
      this.#wires.push({ target, wire });
    }
    this.#checkAll();
  }

  /** What the system said about a candidate that did not answer. */
  faultOf(target: Target): string | undefined {
    return this.#faults.get(target);
  }

  /** On the nominated pair. */
  send(data: Buffer): void {
    this.#nominated?.send(data);
  }

  close(): void {
    this.#stopRepeating();
    for (const { wire } of this.#wires) wire.close();
  }

  #checkAll(): void {
    for (const { target, wire } of this.#wires)
      if (!this.#reached.has(target) || wire === this.#nominated) this.#check(target, wire);
    this.#stopRepeating = this.#options.clock.after(REPEAT_MS, () => this.#checkAll());
  }

  #check(target: Target, wire: ProbeWire): void {
    const { local, remote } = this.#options;
    const transactionId = randomBytes(12);
    this.#sent.set(transactionId.toString('hex'), target);
    wire.send(
      writeStun({
        type: 'request',
        transactionId,
        username: `${remote.ufrag}:${local.ufrag}`,
        priority: candidatePriority('prflx', target.protocol === 'udp' ? 65_535 : 32_767),
        controlling: { value: true, tieBreaker: this.#tieBreaker },
        useCandidate: wire === this.#nominated,
        password: remote.pwd,
      }),
    );
  }

  #receive(data: Buffer, target: Target, wire: ProbeWire): void {
    const { local, remote, onReached, onData } = this.#options;
    if ((data[0] ?? 255) >= 4) {
      if (wire === this.#nominated) onData(data);
      return;
    }
    const message = readStun(data);
    if (message?.type === 'request' && message.hasIntegrity(local.pwd)) {
      const { transactionId } = message;
      // Whatever address we say, the server only asks whether we answer.
      const mappedAddress = { address: target.address, port: target.port };
      wire.send(writeStun({ type: 'success', transactionId, mappedAddress, password: local.pwd }));
    }
    if (message?.type !== 'success' || !message.hasIntegrity(remote.pwd)) return;
    const known = this.#sent.delete(message.transactionId.toString('hex'));
    if (!known || this.#reached.has(target)) return;
    this.#reached.add(target);
    const first = this.#nominated === undefined;
    if (first) {
      this.#nominated = wire;
      this.#check(target, wire);
    }
    onReached(target, first);
  }
}
