import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';

/** A viewer's socket to one candidate of the server; TCP frames datagrams as RFC 4571 says. */
export interface ProbeWire {
  /** Never throws; what cannot be sent is lost. */
  send(data: Buffer): void;
  close(): void;
}

export interface ProbeTarget {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
}

export interface ProbeWireEvents {
  onData(data: Buffer): void;
  /** The system's word for why nothing gets through, for example ECONNREFUSED; may come several times. */
  onFault(reason: string): void;
}

export function openWire(target: ProbeTarget, events: ProbeWireEvents): ProbeWire {
  return target.protocol === 'udp' ? udpWire(target, events) : tcpWire(target, events);
}

function faultOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function udpWire({ address, port }: ProbeTarget, { onData, onFault }: ProbeWireEvents): ProbeWire {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  let open = true;
  const waiting: Buffer[] = [];
  let connected = false;
  socket.on('message', onData);
  socket.on('error', (error) => onFault(faultOf(error)));
  // Connected, so that the system tells when nobody listens there.
  socket.connect(port, address, (error?: Error) => {
    if (error !== undefined) {
      onFault(faultOf(error));
      return;
    }
    connected = true;
    for (const data of waiting.splice(0)) send(data);
  });
  function send(data: Buffer): void {
    if (!open) return;
    if (!connected) waiting.push(data);
    else
      socket.send(data, (error) => {
        if (error !== null && error !== undefined) onFault(faultOf(error));
      });
  }
  return {
    send,
    close() {
      if (!open) return;
      open = false;
      socket.close();
    },
  };
}

function tcpWire({ address, port }: ProbeTarget, { onData, onFault }: ProbeWireEvents): ProbeWire {
  const socket = connect({ host: address, port, noDelay: true });
  let rest: Buffer = Buffer.alloc(0);
  socket.on('error', (error) => onFault(faultOf(error)));
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const end = 2 + rest.readUInt16BE(0);
      onData(Buffer.from(rest.subarray(2, end)));
      rest = rest.subarray(end);
    }
  });
  return {
    send(data) {
      if (!socket.writable) return;
      const head = Buffer.alloc(2);
      head.writeUInt16BE(data.length, 0);
      socket.write(Buffer.concat([head, data]));
    },
    close: () => socket.destroy(),
  };
}
