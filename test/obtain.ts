import { obtainMongod, obtainMongoTools, obtainTemporal } from '../embedded/index.js';

/** Obtains the servers and tools once, before tests run into each other doing it. */
export async function setup(): Promise<void> {
  const report = ({ what, message }: { what: string; message: string }) =>
    process.stderr.write(`${what}: ${message}\n`);
  await obtainMongod(report);
  await obtainTemporal(report);
  await obtainMongoTools(report);
}
