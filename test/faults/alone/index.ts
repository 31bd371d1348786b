import type { Cases } from './case.js';
import { disk } from './files.js';
import { cancellations } from './cancel.js';
import { failpoints } from './failpoints.js';
import { frozen } from './frozen.js';
import { history } from './history.js';
import { people } from './people.js';
import { resets } from './reset.js';
import { idleSessions } from './sessions.js';
import { doubled } from './signals.js';
import { workflow } from './temporal.js';
import { together } from './workers.js';

/** All cases that take a migration of their own. */
export const casesAlone: Cases = {
  ...failpoints,
  ...frozen,
  ...history,
  ...people,
  ...workflow,
  ...cancellations,
  ...doubled,
  ...resets,
  ...idleSessions,
  ...disk,
  ...together,
};
