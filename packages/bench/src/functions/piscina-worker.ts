/** The file that Piscina's threads load: the functions by their names, as Piscina wants them. */
export { millisecond, tiny } from './work.ts';
