/**
 * What each level protects from, as a table: `attacks.test.ts` carries out the attack of every cell on the real thing and compares,
 * and another test compares the table of the documentation with this one. A cell is true only if the attack
 * fails because of the sandbox.
 */

/** `limits` and `bwrap` hold more where the Drone may make cgroups: as root, or where some are delegated to it. */
export const COLUMNS = ['none', 'limits', 'limits+cgroups', 'bwrap', 'bwrap+cgroups', 'docker'] as const;
export type Column = (typeof COLUMNS)[number];

export const PROTECTIONS = {
  processGroup: {
    text: 'Cancel and time limit end a command and its children, though they ignore SIGTERM',
    holds: [true, true, true, true, true, true],
  },
  daemons: {
    text: 'A daemon that left the process group and the session is ended with its task',
    holds: [false, false, true, true, true, true],
  },
  killedDrone: {
    text: 'So it is when the Drone itself is killed with SIGKILL',
    holds: [false, false, true, true, true, true],
  },
  inheritedEnvironment: {
    text: "The Drone's environment is not handed on",
    holds: [false, true, true, true, true, true],
  },
  environment: {
    text: "The Drone's environment cannot be found out (/proc)",
    holds: [false, false, false, true, true, true],
  },
  secret: {
    text: "The cluster's secret in the data folder cannot be read",
    holds: [false, false, false, true, true, true],
  },
  otherFolders: {
    text: "Other tasks' folders cannot be read",
    holds: [false, false, false, true, true, true],
  },
  writing: {
    text: "Nothing outside of the task's own folders can be written",
    holds: [false, false, false, true, true, true],
  },
  otherProcesses: {
    text: 'Other processes of the same user cannot be signalled',
    holds: [false, false, false, true, true, true],
  },
  network: {
    text: "No socket can be opened to anything, the machine's own services included (unless the operator and the job allow it)",
    holds: [false, false, false, true, true, true],
  },
  memoryOfOne: {
    text: 'Memory of one process',
    holds: [false, true, true, true, true, true],
  },
  memoryOfAll: {
    text: "Memory of all of a task's processes together",
    holds: [false, false, true, false, true, true],
  },
  processes: {
    text: 'Number of processes: a fork bomb ends at the limit',
    holds: [false, true, true, true, true, true],
  },
  cpuTime: {
    text: 'Processor time of each process',
    holds: [false, true, true, true, true, true],
  },
  cpuShare: {
    text: 'Share of the processors',
    holds: [false, false, true, false, true, true],
  },
  fileSize: {
    text: 'Size of each file',
    holds: [false, true, true, true, true, true],
  },
  disk: {
    text: "Size of all files in the task's folders (looked at every second)",
    holds: [false, true, true, true, true, true],
  },
} as const satisfies Record<string, { readonly text: string; readonly holds: readonly boolean[] }>;
export type Protection = keyof typeof PROTECTIONS;

export function isProtected(protection: Protection, column: Column): boolean {
  return PROTECTIONS[protection].holds[COLUMNS.indexOf(column)]!;
}

/** The table as the documentation has it. */
export function protectionTable(): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const names = COLUMNS.map((column) => column.replace('+', ' with '));
  return [
    row(['protection', ...names]),
    row(['protection', ...names].map(() => '---')),
    ...Object.values(PROTECTIONS).map(({ text, holds }) =>
      row([text, ...holds.map((isHeld) => (isHeld ? 'yes' : 'no'))]),
    ),
  ].join('\n');
}
