// Health check of a replica set with one member: initiates it once, healthy when it takes writes.
// Safe to run again and at the same time as itself: a set is initiated only while it is not.
const set = process.env.REPLICA_SET;
try {
  db.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== 'NotYetInitialized') throw error;
  // The service's name: every client inside the network reaches the member by it.
  rs.initiate({ _id: set, members: [{ _id: 0, host: `${set}:27017` }] });
}
quit(db.hello().isWritablePrimary ? 0 : 1);
