import { BSON } from 'mongodb';

/** A document's `_id`, to find it by and to show. */
export interface Identity {
  /** Type and bytes in hexadecimal: the same for two `_id`s only if all of it is. */
  readonly key: string;
  readonly text: string;
}

/** One field as it stands in a document. */
interface Field {
  readonly name: string;
  readonly type: number;
  readonly bytes: Buffer;
}

/** The `_id` of a document in BSON. */
export function idOf(document: Buffer): Identity {
  const id = fieldsOf(document).find(({ name }) => name === '_id');
  if (id === undefined) return { key: '', text: '(no _id)' };
  const { _id } = BSON.deserialize(document, { promoteValues: false });
  return { key: `${id.type}:${id.bytes.toString('hex')}`, text: `_id ${show(_id)}` };
}

/** Says in a line what differs between two documents of the same `_id` whose bytes are not the same. */
export function describe(source: Buffer, target: Buffer): string {
  return `${idOf(source).text}: ${whatDiffers(fieldsOf(source), fieldsOf(target))}`;
}

function whatDiffers(here: readonly Field[], there: readonly Field[]): string {
  const at = here.findIndex((field, index) => !isSame(field, there[index]));
  const one = here[at];
  // All of one side's fields are on the other, which has more of them.
  if (one === undefined) return `"${there[here.length]?.name}" is only at the target`;
  const other = there.find(({ name }) => name === one.name);
  if (other === undefined) return `"${one.name}" is missing at the target`;
  if (one.type !== other.type) {
    return `"${one.name}" has BSON type ${one.type} at the source, ${other.type} at the target`;
  }
  if (!one.bytes.equals(other.bytes)) return `"${one.name}" differs`;
  return `"${one.name}" has another place among the fields`;
}

function isSame(one: Field, other: Field | undefined): boolean {
  return one.name === other?.name && one.type === other.type && one.bytes.equals(other.bytes);
}

function fieldsOf(document: Buffer): Field[] {
  return [...BSON.onDemand.parseToElements(document)].map(
    ([type, nameOffset, nameLength, offset, length]) => ({
      name: document.toString('utf8', nameOffset, nameOffset + nameLength),
      type,
      bytes: document.subarray(offset, offset + length),
    }),
  );
}

function show(value: unknown): string {
  const text = BSON.EJSON.stringify(value, { relaxed: false });
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
