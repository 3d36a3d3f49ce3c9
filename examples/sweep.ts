// A sweep: a simulation for every point of a grid, on every core, as CSV: `node examples/sweep.ts > sweep.csv`.
import { connect } from '@hive/client';
import epidemic from './sweep.task.ts';

const size = Number(process.argv[2] ?? 20);
const steps = Array.from({ length: size }, (_, i) => i + 1);
const grid = steps.flatMap((contacts) =>
  steps.map((daysIll) => ({ contacts, daysIll, seed: contacts * 1_000 + daysIll })),
);

// Without `local`, the same on all machines of a cluster.
await using hive = await connect({ local: true });
console.log('contacts,daysIll,peak,peakDay,infected');
for await (const row of hive.map(epidemic, grid)) console.log(Object.values(row).join(','));
