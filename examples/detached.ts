// A job that needs nobody: submitted here, read by whoever knows its id, whatever was restarted meanwhile.
import { connect } from '@hive/client';

await using hive = await connect();
const { id } = await hive.submit({
  kind: 'hash',
  range: { start: 0, step: 1, count: 1_000 },
  attached: false,
  deadline: '10m',
  haltOn: '10%',
  retention: '1d',
});
console.log('submitted', id);

// Any other program, now or tomorrow:
const job = await hive.open(id);
for await (const { index, outcome, value } of job.results()) {
  if (index === 999) console.log(index, outcome, value);
}
const { state } = await job.done;
if (state === 'failed') await hive.retry(id);
console.log(state);
