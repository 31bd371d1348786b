import { createServer } from 'node:net';

// Below the ranges that Linux (32768 and up) and macOS (49152 and up) give to outgoing connections: a server that is
// restarted must find its port as it left it.
const FIRST = 20_000;
const COUNT = 12_000;
const TRIES = 200;

const given = new Set<number>();

/**
 * A TCP port of 127.0.0.1 that the system says is free, never the same twice in this process.
 *
 * @throws Error when 200 random ones were all taken
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
    given.delete(port);
  }
  throw new Error(`no free port found in ${FIRST} to ${FIRST + COUNT - 1}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
