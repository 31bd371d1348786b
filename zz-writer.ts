import { MongoClient } from 'mongodb';
// usage: writer <ns> <docs> <rate> ; runs until SIGTERM, then finishes in-flight and prints counts
const [db='shop', coll='orders'] = (process.argv[2]??'shop.orders').split('.'); let N=Number(process.argv[3]??1000000); const rate=Number(process.argv[4]??2000);
const s=new MongoClient(process.env.S!); const c=s.db(db).collection<any>(coll); await s.connect();
let stop=false, n=0, errs=0, next=N; process.on('SIGTERM',()=>stop=true);
const t0=Date.now(); const tick=50; let txn=0;
while(!stop){
  const due=Math.floor((Date.now()-t0)/1000*rate)-n; 
  if(due>0){ const ops:any[]=[]; for(let i=0;i<Math.min(due,1000);i++){ const r=Math.random(); const id=Math.floor(Math.random()*next);
     ops.push(r<0.6?{updateOne:{filter:{_id:id},update: r<0.5?{$set:{b:Math.random(), s:'v'+n},$inc:{k:1}}:{$push:{g:n}}}}:r<0.9?{insertOne:{document:{_id:next++,a:'n'.repeat(380),b:n,at:new Date()}}}:{deleteOne:{filter:{_id:id}}}); }
    try{ if((txn++)%10===0){ await s.withSession(ss=>ss.withTransaction(async()=>{await c.bulkWrite(ops.slice(0,50),{session:ss,ordered:false});})); n+=Math.min(50,ops.length);} else {await c.bulkWrite(ops,{ordered:false}); n+=ops.length;} }catch(e:any){errs++; if(errs<5)console.log(e.message)} }
  await new Promise(r=>setTimeout(r,tick));
}
console.log('writes',n,'errors',errs, 'rate', n/((Date.now()-t0)/1000)); await s.close();
