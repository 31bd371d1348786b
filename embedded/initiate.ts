import type { Member } from './member.js';

/** A user with the role `root`, in the database `admin`. */
export interface RootUser {
  readonly user: string;
  readonly password: string;
}

/** `user:password@`, encoded as in a connection string; nothing without a user. */
export function credentialsOf(auth?: RootUser): string {
  if (auth === undefined) return '';
  return `${encodeURIComponent(auth.user)}:${encodeURIComponent(auth.password)}@`;
}

/** Makes the members, which run and hold no data, one replica set. @throws MongoServerError */
export async function initiate(name: string, members: readonly Member[]): Promise<void> {
  const [first] = members;
  if (first === undefined) throw new Error('a replica set needs a member');
  const config = {
    _id: name,
    members: members.map(({ host }, index) => ({ _id: index, host })),
    // All members share one machine and its load: a lost primary is noticed sooner than by default (10 s), a busy one is kept.
    settings: { electionTimeoutMillis: 4_000, heartbeatIntervalMillis: 1_000 },
  };
  await first.withClient((client) => client.db('admin').command({ replSetInitiate: config }));
}

/** Makes the first user, which the server allows from its own machine as long as there is none. @throws MongoServerError */
export async function createRoot(primary: Member, { user, password }: RootUser): Promise<void> {
  await primary.withClient((client) =>
    client.db('admin').command({
      createUser: user,
      pwd: password,
      roles: ['root'],
      // Reaches the other members before anybody logs in there.
      writeConcern: { w: 'majority' },
    }),
  );
}
