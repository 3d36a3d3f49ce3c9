/**
 * The variables of a sandboxed run: a few that programs cannot do without and what the job asked for. Nothing of the Drone's own
 * environment, where keys and tokens of its operator may stand.
 */
export interface EnvironmentOrder {
  /** What the job asked for; it wins, but for TMPDIR. */
  readonly asked: Readonly<Record<string, string>>;
  /** Nothing but what was asked for, and TMPDIR. */
  readonly isExact: boolean;
  readonly folder: string;
  readonly tmp: string;
}

const PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':');

export function scrubbedEnvironment({
  asked,
  isExact,
  folder,
  tmp,
}: EnvironmentOrder): Record<string, string> {
  return { ...(isExact ? {} : { PATH, HOME: folder, LANG: 'C.UTF-8' }), ...asked, TMPDIR: tmp };
}

/** In a container PATH and LANG are the image's business. */
export function containerEnvironment({
  asked,
  isExact,
  folder,
  tmp,
}: EnvironmentOrder): Record<string, string> {
  return { ...(isExact ? {} : { HOME: folder }), ...asked, TMPDIR: tmp };
}
