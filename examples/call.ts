// One task, one answer: `node examples/call.ts` while a Queen and a Drone run.
import { connect } from '@hive/client';

await using hive = await connect();
console.log(await hive.call('hash', 'a string'));
