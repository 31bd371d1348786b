import { type EventEmitter, once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo, connect } from 'node:net';
import { MongoNetworkError } from 'mongodb';
import { expect, it } from 'vitest';
import '../../../src/mongo/closed-connection.js';

const require = createRequire(import.meta.url);

interface DriverConnection extends EventEmitter {
  command: (ns: object, command: object, options: object) => Promise<object>;
}

const { Connection } = require('mongodb/lib/cmap/connection.js') as {
  Connection: new (socket: object, options: object) => DriverConnection;
};
const { ns } = require('mongodb/lib/utils.js') as { ns: (name: string) => object };

it('ends a command that was written to a socket which is closing', async () => {
  const server = createServer((peer) => peer.on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const connection = new Connection(socket, { id: 1, generation: 1, monitorCommands: false });
  // Between the two, a socket takes nothing and says nothing.
  socket.destroy();
  const asked = connection.command(ns('admin.$cmd'), { hello: 1 }, {});
  await expect(asked).rejects.toThrow(MongoNetworkError);
  server.close();
});
