import { obtainMongoTools } from './mongo-tools.js';
import { obtainMongod, obtainTemporal } from './obtain.js';
import type { OnProgress } from './progress.js';

// Paths go to standard output, so that a script can read them; everything for people goes to standard error.
const onProgress: OnProgress = ({ what, message }) => console.error(`${what}: ${message}`);

try {
  const mongod = await obtainMongod(onProgress);
  const temporal = await obtainTemporal(onProgress);
  const { mongodump, mongorestore } = await obtainMongoTools(onProgress);
  console.log(`mongod ${mongod}`);
  console.log(`temporal ${temporal}`);
  console.log(`mongodump ${mongodump}`);
  console.log(`mongorestore ${mongorestore}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
