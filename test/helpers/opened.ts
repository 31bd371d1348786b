import type { Db } from 'mongodb';
import type { Opened } from '../../src/activities/context.js';
import type { Control } from '../../src/mongo/control.js';
import { CopyPlan } from '../../src/mongo/copy-plan.js';
import { Verification } from '../../src/mongo/verification.js';

/** A migration of a collection under its own name, opened as activities open it. */
export function openedOf(source: Db, control: Control, staging: string): Opened {
  const { db: target, id: name } = control;
  return {
    source,
    sourceCollection: name,
    target,
    targetCollection: name,
    staging,
    control,
    plan: new CopyPlan(target, control),
    verification: new Verification(target, control),
  };
}
