/** What tasks of the built-in kinds give, for TypeScript. `echo` and `sleep` give what they were given. */
import type { CommandValue } from './command-result.ts';

export interface KindOutputs {
  /** The digest in hexadecimal. */
  readonly hash: string;
  readonly command: CommandValue;
}
