/**
 * All commands, in the order of the help, and where each is. A `hive` reads the file of the one that it was asked for, since
 * reading them all takes twice as long; only who asks for help, or for what does not exist, has them all.
 */
import type { CommandModule } from 'yargs';

/** Their options differ; yargs takes them all the same. */
type Loaded = Promise<unknown>;

/** By name. `args` is the whole command line. */
const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Loaded>> = {
  up: async () => (await import('./commands/up.ts')).upCommand,
  queen: async () => (await import('./commands/queen.ts')).queenCommand,
  drone: async () => (await import('./commands/drone.ts')).droneCommand,
  gateway: async () => (await import('./commands/gateway.ts')).gatewayCommand,
  node: async () => (await import('./commands/node.ts')).nodeCommand,
  hash: async () => (await import('./commands/hash.ts')).hashCommand,
  map: async () => (await import('./commands/map.ts')).mapCommand,
  submit: async () => (await import('./commands/submit.ts')).submitCommand,
  wait: async () => (await import('./commands/wait.ts')).waitCommand,
  results: async () => (await import('./commands/results.ts')).resultsCommand,
  logs: async () => (await import('./commands/logs.ts')).logsCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  drones: async () => (await import('./commands/drones.ts')).dronesCommand,
  nodes: async () => (await import('./commands/nodes.ts')).nodesCommand,
  drain: async () => (await import('./commands/drain.ts')).drainCommand,
  jobs: async () => (await import('./commands/jobs.ts')).jobsCommand,
  job: async () => (await import('./commands/job.ts')).jobCommand,
  task: async () => (await import('./commands/task.ts')).taskCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  cancel: async () => (await import('./commands/cancel.ts')).cancelCommand,
  retry: async () => (await import('./commands/retry.ts')).retryCommand,
  gc: async () => (await import('./commands/gc.ts')).gcCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  key: async () => (await import('./commands/key.ts')).keyCommand,
  bench: async () => (await import('./commands/bench.ts')).benchCommand,
  run: async (args) => (await import('./commands/run.ts')).runCommand(args.slice(1)),
};

export const COMMAND_NAMES: readonly string[] = Object.keys(COMMANDS);

/** The command that was asked for; all of them if that is none. */
export async function loadCommands(args: readonly string[]): Promise<readonly CommandModule[]> {
  const asked = COMMAND_NAMES.filter((name) => name === args[0]);
  const names = asked.length > 0 ? asked : COMMAND_NAMES;
  return (await Promise.all(names.map((name) => COMMANDS[name]!(args)))) as CommandModule[];
}
