import { z } from 'zod';
import type { Checkpoint } from '../mongo/collection-comparison.js';
import { asBuffer, RawValue } from '../mongo/raw.js';

const count = z.number().int().min(0);
const amount = z.object({ documents: count, bytes: count });

const saved = z.object({
  /** Type byte and bytes of the `_id`, base64: no other form keeps all of them exactly. */
  next: z.string().optional(),
  /** Which two collections it is about. */
  collections: z.string(),
  pass: z.union([z.literal(1), z.literal(2)]),
  source: amount,
  target: amount,
  differing: count,
  missing: count,
  extra: count,
  unsettled: count,
  first: z
    .array(
      z.object({
        id: z.string(),
        kind: z.enum(['differs', 'missing', 'extra']),
        field: z.string().exactOptional(),
        what: z.string().exactOptional(),
      }),
    )
    .max(20),
});

/** A checkpoint as a heartbeat carries it. */
export type SavedCheckpoint = z.infer<typeof saved>;

/** Writes a checkpoint as JSON. `collections` names the two that are compared, by what is theirs alone. */
export function saveCheckpoint(checkpoint: Checkpoint, collections: string): SavedCheckpoint {
  const { next, first, ...tally } = checkpoint;
  const id = next && Buffer.concat([Buffer.from([next.type]), asBuffer(next.bytes)]);
  return { ...tally, first: [...first], collections, ...(id && { next: id.toString('base64') }) };
}

/** Reads what an earlier attempt has saved; nothing where it is none, or of other collections. */
export function readCheckpoint(details: unknown, collections: string): Checkpoint | undefined {
  const parsed = saved.safeParse(details);
  if (!parsed.success || parsed.data.collections !== collections) return undefined;
  const { next, collections: _known, ...tally } = parsed.data;
  const [type, ...bytes] = Buffer.from(next ?? '', 'base64');
  if (type === undefined) return tally;
  return { ...tally, next: new RawValue(type, Buffer.from(bytes)) };
}
