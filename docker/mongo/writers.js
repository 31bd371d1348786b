// An application for the profile demo, in the source's shop.orders: fills it once, then inserts, changes and
// deletes orders, up to 200 writes a second, until it is stopped. Safe to start again: it goes on from where it was.
const ORDERS = 100_000;
const BATCH = 1_000;
const ROUND_MS = 20;
const STATUSES = ['new', 'paid', 'packed', 'sent', 'returned'];

const below = (limit) => Math.floor(Math.random() * limit);
const order = (number) => ({
  _id: number,
  customer: `customer-${below(5_000)}`,
  status: 'new',
  lines: [{ article: `article-${below(500)}`, count: 1 + below(5) }],
  at: new Date(),
});

const orders = db.getCollection('orders');
orders.createIndex({ customer: 1, at: 1 });
const [last] = orders.find().sort({ _id: -1 }).limit(1).toArray();
let next = last ? last._id + 1 : 0;
while (next < ORDERS) {
  const first = next;
  orders.insertMany(Array.from({ length: BATCH }, (_, index) => order(first + index)));
  next += BATCH;
}
for (;;) {
  orders.insertOne(order(next));
  // The oldest one, so that there are always as many.
  orders.deleteOne({ _id: next - ORDERS });
  next += 1;
  for (let changes = 0; changes < 2; changes++) {
    const status = STATUSES[below(STATUSES.length)];
    orders.updateOne({ _id: next - 1 - below(ORDERS) }, { $set: { status, at: new Date() } });
  }
  sleep(ROUND_MS);
}
