// No cluster at all: a Queen and a Drone live in this process. `node examples/local.ts` needs nothing else.
import { connect } from '@hive/client';

await using hive = await connect({ local: true });
for await (const digest of hive.map('hash', ['queen', 'drone', 'honey'])) console.log(digest);
