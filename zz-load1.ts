import { MongoClient } from 'mongodb';
const [db='shop', coll='orders'] = (process.argv[2]??'shop.orders').split('.'); const N=Number(process.argv[3]??1000000);
const s=new MongoClient(process.env.S!), t=new MongoClient(process.env.T!); await t.db(db).collection(coll).drop().catch(()=>{}); const c=s.db(db).collection<any>(coll); await c.drop().catch(()=>{});
for (let i=0;i<N;i+=10000) await c.insertMany(Array.from({length:Math.min(10000,N-i)},(_,k)=>({_id:i+k, a:'x'.repeat(380), b:i, k:k, at:new Date(1.7e12+i), g:[1,2]})));
await c.createIndex({b:1}); await c.createIndex({at:1}); console.log('loaded'); await s.close(); await t.close();
