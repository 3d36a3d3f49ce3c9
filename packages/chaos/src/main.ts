/** `pnpm chaos`: a run from the command line. Exit code 1, and a folder with everything, if a promise was broken. */
import yargs from 'yargs';
import { runChaos } from './chaos.ts';
import { printNodesReport, runNodesChaos } from './nodes/chaos.ts';
import { printReport } from './print.ts';

const options = await yargs(process.argv.slice(2))
  .scriptName('chaos')
  .usage(
    '$0 [--minutes N]\n\nKills, freezes and restarts the processes of a real cluster, and checks every promise.',
  )
  .option('minutes', { type: 'number', default: 0.5, describe: 'Time with faults' })
  .option('seed', { type: 'number', describe: 'Make the choices of this seed again' })
  .option('drones', { type: 'number', default: 3, describe: 'Drones, of two slots each' })
  .option('nodes', { type: 'number', describe: 'A mesh of so many nodes instead, given work over HTTP' })
  .option('clients', { type: 'number', default: 4, describe: 'Client processes' })
  .strict()
  .version(false)
  .parseAsync();

const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
const { minutes, drones, clients, nodes } = options;
console.log(`chaos: seed ${seed}, ${minutes} minutes of faults`);
const onProgress = (line: string) => console.log(`  ${line}`);
if (nodes === undefined) {
  const report = await runChaos({ seed, minutes, drones, clients, onProgress });
  console.log(printReport(report));
  process.exitCode = report.problems.length === 0 ? 0 : 1;
} else {
  const report = await runNodesChaos({ seed, minutes, nodes, onProgress });
  console.log(printNodesReport(report));
  process.exitCode = report.problems.length === 0 ? 0 : 1;
}
