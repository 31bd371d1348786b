import { BSON, type ClientSession, type Db, type Document } from 'mongodb';
import { RawValue, runCommand, runRaw, runWithDocuments } from '../../src/mongo/raw.js';

/**
 * Sends a command. Documents and updates go in a list of their own beside the command, because together with
 * it those of 16 MB would not fit into one of the driver's buffers.
 */
export async function send(db: Db, command: Document, session?: ClientSession): Promise<Document> {
  const options = session && { session };
  for (const field of ['documents', 'updates'] as const) {
    if (!(field in command)) continue;
    const { [field]: list, ...rest } = command;
    const documents = (list as Document[]).map((one) =>
      one instanceof RawValue ? one.bytes : BSON.serialize(one),
    );
    return runWithDocuments(db, rest, field, documents, options);
  }
  // It answers with a document, of which some cannot be decoded.
  if ('findAndModify' in command) return runRaw(db, command, options);
  return runCommand(db, command, options);
}
