import type { Timestamp } from 'mongodb';

/**
 * Tells a stream that has nothing new to say from one that stands still: it answers, and empty, but its
 * position stays behind what the source had written by the look before. Such is a stream that is read
 * from a member whose replication has stopped.
 */
export class Standstill {
  #stream: Timestamp | undefined;
  #source: Timestamp | undefined;
  #since: Date | undefined;

  /**
   * @param stream cluster time of the stream's position
   * @param source cluster time of the source's newest operation
   * @returns since when it stands still; nothing while it moves
   */
  look(stream: Timestamp, source: Timestamp, now = new Date()): Date | undefined {
    const hasMoved = !this.#stream || !this.#source || stream.greaterThan(this.#stream);
    const isBehind = this.#source !== undefined && stream.lessThan(this.#source);
    this.#since = hasMoved || !isBehind ? undefined : (this.#since ?? now);
    this.#stream = stream;
    this.#source = source;
    return this.#since;
  }
}
