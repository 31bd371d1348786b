import { patched } from '@temporalio/workflow';
import type { Letter } from '../../activities/group/tell-members.js';
import type { MemberRun } from '../../group.js';
import { step } from '../steps.js';

/** A signal for one collection's migration. */
export interface Message {
  readonly to: MemberRun;
  readonly name: string;
  readonly payload?: object;
}

/** What must not overtake what was sent before: a resume a pause, a later limit an earlier one. */
const inOrder: readonly string[] = ['pause', 'resume', 'tune', 'restore'];

/** Sends signals to the migrations of a group's collections. */
export class Teller {
  #sent = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @returns how many of them were there to get theirs. */
  async send(messages: readonly Message[]): Promise<number> {
    if (messages.length === 0) return 0;
    // Two of them may be under way at once, and activities of one workflow have different ids.
    this.#sent += 1;
    const tell = step('tellMembers', { detail: this.#sent });
    if (!messages.every(({ name }) => inOrder.includes(name)) || !patched('tellInOrder')) {
      return tell(lettersOf(messages));
    }
    const told = this.#last.then(() => tell(lettersOf(messages)));
    this.#last = told.catch(() => undefined);
    return told;
  }
}

/** What is the same for many is told once: all of it is in the group's history, each time. */
export function lettersOf(messages: readonly Message[]): Letter[] {
  const letters = new Map<string, Letter & { readonly to: object[] }>();
  for (const { to, ...content } of messages) {
    const text = JSON.stringify(content);
    const letter = letters.get(text) ?? { ...content, to: [] };
    letter.to.push({ workflowId: to.workflowId, runId: to.runId });
    letters.set(text, letter);
  }
  return [...letters.values()];
}
