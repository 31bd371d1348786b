import { createRequire } from 'node:module';
import type { EventEmitter } from 'node:events';
import { MongoNetworkError } from 'mongodb';

/**
 * A command that is written to a socket which is closing waits for ever in the driver: `write` says that the
 * socket is full, and it never drains. That the connection closes meanwhile ends the wait here. `Connection`
 * is not public API of mongodb 7.9.0, which is why that is pinned exactly and
 * test/unit/mongo/closed-connection.test.ts fails first when an upgrade changes it.
 */
const require = createRequire(import.meta.url);
const { Connection } = require('mongodb/lib/cmap/connection.js') as {
  Connection: { prototype: DriverConnection };
};

/** What of a connection of the driver is used here. */
interface DriverConnection extends EventEmitter {
  readonly closed: boolean;
  readonly error: Error | null;
  writeCommand: (...args: unknown[]) => Promise<void>;
}

const { writeCommand } = Connection.prototype;
Connection.prototype.writeCommand = async function write(
  this: DriverConnection,
  ...args: unknown[]
): Promise<void> {
  const why = () => this.error ?? new MongoNetworkError('the connection was closed');
  let close: () => void = () => undefined;
  const closed = new Promise<never>((_resolve, reject) => {
    close = () => reject(why());
    this.once('close', close);
  });
  try {
    await Promise.race([writeCommand.apply(this, args), closed]);
  } finally {
    this.off('close', close);
  }
  // Its reply would be waited for in the same way.
  if (this.closed) throw why();
};
