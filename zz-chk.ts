import { MongoClient } from 'mongodb';
const s=new MongoClient(process.env.S!),t=new MongoClient(process.env.T!); const [db='shop', c='orders'] = (process.argv[2]??'shop.orders').split('.');
const h=async(m:any)=>(await m.db(db).command({dbHash:1,collections:[c]})).collections[c];
console.log(await h(s)===await h(t)?'EQUAL':'DIFFERENT', await s.db(db).collection(c).countDocuments(),await t.db(db).collection(c).countDocuments(), (await t.db(db).listCollections().toArray()).map(x=>x.name));
await s.close(); await t.close();
