// Many tasks: the Queen splits them, the Drones share them, the results come back in order.
import { connect } from '@hive/client';

await using hive = await connect();
const words = ['queen', 'drone', 'honey'];

// All at once...
const digests = await hive.map('hash', words).all();
console.log(digests.length, 'digests');

// ...or one by one, from a source that never has to fit into memory: reading slowly slows the work down.
async function* numbers() {
  for (let n = 0; n < 100_000; n++) yield `number ${n}`;
}
let count = 0;
for await (const digest of hive.map('hash', numbers(), { ordered: true, priority: 10 })) {
  if (count++ === 0) console.log('the first is', digest);
}
console.log(count, 'digests');
