import { failpoint } from '../failpoint.js';
import type { Migration } from '../migration.js';
import { createBuffer } from '../mongo/buffer.js';
import { readStartToken } from '../mongo/change-stream.js';
import { readMarkerToken } from '../mongo/marker.js';
import { bufferName } from '../names.js';
import { shorten, SHOWN_TOKEN } from '../shorten.js';
import { type ActivityDependencies, open, readSourceCatalogue } from './context.js';
import { withPulse } from './pulse.js';
import { removeLeftovers } from './leftovers.js';

/** What people see as the activity's result. */
export interface StartPosition {
  /** `_data` of the resume token, or its beginning: every later change is seen from here on. */
  readonly resumeToken: string;
  readonly buffer: string;
  /** The copy that the target has or is to get, where the workflow was reset to before it. */
  readonly round?: number;
}

/**
 * Claims the target (control document, buffer) and fixes the position from which capture starts,
 * before anything is copied. Safe to run again: what is claimed stays claimed, and a token that is
 * recorded stays the token.
 */
export async function captureToken(
  deps: ActivityDependencies,
  migration: Migration,
): Promise<StartPosition> {
  const opened = open(deps, migration);
  const { control, source, sourceCollection, target, targetCollection } = opened;
  return withPulse(
    () => ({ doing: 'finding the position in the change stream' }),
    async ({ signal }) => {
      await removeLeftovers(deps, migration);
      const claimed = await control.claim();
      if (!claimed.bufferUuid) {
        await control.set({ bufferUuid: await createBuffer(target, targetCollection) });
      }
      const token =
        claimed.startToken ??
        (migration.options.token === 'marker'
          ? await readMarkerToken(source, sourceCollection, migration.workflowId, signal)
          : await readStartToken(source, sourceCollection, signal));
      // What becomes of the collection from here on, the stream tells.
      await readSourceCatalogue(opened, migration.traits, signal);
      failpoint('token-read');
      const start = await control.fixStart(token);
      return {
        resumeToken: shorten(start._data, SHOWN_TOKEN),
        buffer: `${target.databaseName}.${bufferName(targetCollection)}`,
        ...(claimed.round !== undefined && { round: claimed.round }),
      };
    },
  );
}
