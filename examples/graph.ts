// Tasks that depend on one another: a child starts when its parents have ended, and gets their results.
import { connect } from '@hive/client';

await using hive = await connect();
const graph = hive.graph('echo', { name: 'bread' });
const flour = graph.task('flour');
const water = graph.task('water');
const dough = graph.task<unknown[]>('knead', { name: 'dough', after: [flour, water] });
graph.task('bake', { name: 'bread', after: ['dough'] });

const results = await graph.run();
console.log(results.get(dough)); // its own input, then what its parents gave, as "echo" gives it back
for (const [task, result] of results) console.log(task.label, result?.outcome);
