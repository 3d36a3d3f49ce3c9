/**
 * The seam between commands and sandboxes: a level, and what it makes of a launch. `none` leaves it as it is.
 *
 * A level is prepared once per job in a slot's thread, and then used for one command after another. It may change the
 * program, its arguments, its environment and its folder (to run them through another program), but not the files of its
 * output; what is started must stay the leader of its process group, because that is what is ended.
 */
import { TaskFailure } from '../kinds/failure.ts';
import type { Launch } from './launch.ts';

/** Where a command may write, whatever its sandbox: absolute paths, the same for every command of the slot. */
export interface SandboxFolders {
  /** The command's fresh folder; it starts in it unless the job asks for another. */
  readonly work: string;
  /** TMPDIR. */
  readonly tmp: string;
}

export interface Sandbox {
  /** What the command is started with instead, and whatever has to be there before. @throws TaskFailure */
  open(launch: Launch): Launch;
  /** Its process group has ended: removes what `open` made. Also called when the command could not be started. */
  close(): void;
}

const NONE: Sandbox = { open: (launch) => launch, close: () => {} };

/**
 * @param level what the job asks for; absent: `none`
 * @throws TaskFailure when this Drone does not have that level
 */
export function prepareSandbox(level: unknown, _folders: SandboxFolders): Sandbox {
  if (level === undefined || level === 'none') return NONE;
  throw new TaskFailure(
    'noSandbox',
    `This Drone has no sandbox ${JSON.stringify(level)}; it has none but "none".`,
    true,
  );
}
