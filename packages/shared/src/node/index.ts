/** The parts of the wire that need Node: sockets, files, randomness. */
export * from './address.ts';
export * from './connection.ts';
export * from './data-folder.ts';
export * from './dial.ts';
export * from './discovery/index.ts';
export * from './generate.ts';
export * from './hive-js-files.ts';
export * from './host-id.ts';
export * from './keys/index.ts';
export * from './message-text.ts';
export * from './open-files.ts';
export * from './random-id.ts';
export * from './value-text.ts';
