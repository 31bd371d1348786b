import type { Faults } from '../scene.js';
import { failover } from './failover.js';
import { files } from './files.js';
import { fullDisk } from './full-disk.js';
import { network } from './network.js';
import { servers } from './servers.js';
import { temporal } from './temporal.js';
import { workers } from './workers.js';

/** All faults that a running migration has to get over by itself. */
export const faultsDuring: Faults = {
  ...workers,
  ...servers,
  ...failover,
  ...fullDisk,
  ...network,
  ...temporal,
  ...files,
};
