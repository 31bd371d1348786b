import type { BenchCase } from '../case.js';
import { arrival } from './arrival.js';
import { burst } from './burst.js';
import { capture } from './capture.js';
import { compare } from './compare.js';
import { compression } from './compression.js';
import { copies } from './copy.js';
import { copyLimit } from './copy-limit.js';
import { cutover } from './cutover.js';
import { growth } from './growth.js';
import { idle } from './idle.js';
import { indexOrder } from './index-order.js';
import { replay } from './replay.js';
import { streams } from './streams.js';
import { together } from './together.js';
import { uniqueIndexes } from './unique-indexes.js';
import { verification } from './verification.js';
import { workers } from './workers.js';

/** All that can be measured, by name. */
export const cases: Readonly<Record<string, BenchCase>> = {
  ...copies,
  capture,
  replay,
  together,
  arrival,
  burst,
  cutover,
  'unique-indexes': uniqueIndexes,
  compare,
  verification,
  'copy-limit': copyLimit,
  'index-order': indexOrder,
  streams,
  workers,
  compression,
  idle,
  growth,
};
