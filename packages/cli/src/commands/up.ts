import type { CommandModule } from 'yargs';
export const upCommand: CommandModule = { command: 'up', describe: 'x', handler: () => {} };
