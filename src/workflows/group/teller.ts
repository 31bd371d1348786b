import type { Letter } from '../../activities/group/tell-members.js';
import { step } from '../steps.js';

/** Sends signals to the migrations of a group's collections. */
export class Teller {
  #sent = 0;

  /** @returns how many of them were there to get theirs. */
  async send(letters: readonly Letter[]): Promise<number> {
    if (letters.length === 0) return 0;
    // Two of them may be under way at once, and activities of one workflow have different ids.
    this.#sent += 1;
    return step('tellMembers', { detail: this.#sent })(letters);
  }
}
