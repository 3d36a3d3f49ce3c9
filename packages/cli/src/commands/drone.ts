import type { CommandModule } from 'yargs';
export const droneCommand: CommandModule = { command: 'drone', describe: 'x', handler: () => {} };
