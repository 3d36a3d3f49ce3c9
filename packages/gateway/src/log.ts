/** `DEBUG=hive:gateway` shows what the gateway could not do, and why. */
import debug from 'debug';

export const LOG = debug('hive:gateway');
