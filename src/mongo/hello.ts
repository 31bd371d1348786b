import type { Db, Document } from 'mongodb';
import { errorCode } from './catalogue.js';
import { type CommandOptions, runCommand } from './raw.js';

const COMMAND_NOT_FOUND = 59;

/**
 * What a server says of itself. Those before 4.2.10 and 4.4.2 know the command by its former name only, which has
 * `ismaster` in place of `isWritablePrimary`.
 */
export async function readHello(db: Db, options: CommandOptions = {}): Promise<Document> {
  try {
    return await runCommand(db, { hello: 1 }, options);
  } catch (error) {
    if (errorCode(error) !== COMMAND_NOT_FOUND) throw error;
    const reply = await runCommand(db, { isMaster: 1 }, options);
    return { ...reply, isWritablePrimary: reply['ismaster'] };
  }
}
