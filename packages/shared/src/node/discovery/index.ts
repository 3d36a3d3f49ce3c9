/** Queens and those who look for them, found by each other over the network. */
export * from './announcer.ts';
export * from './find.ts';
export * from './interfaces.ts';
export * from './keys.ts';
export * from './scan.ts';
export * from './seeker.ts';
export * from './settings.ts';
