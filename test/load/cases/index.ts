import type { LoadCase } from '../case.js';
import { backlog } from './backlog.js';
import { changes } from './changes.js';
import { many } from './many.js';
import { outage } from './outage.js';
import { outrun } from './outrun.js';

/** All loads by name. */
export const cases: Readonly<Record<string, LoadCase>> = { changes, backlog, many, outage, outrun };
