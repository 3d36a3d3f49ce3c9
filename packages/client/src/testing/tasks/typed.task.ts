/** Tasks that give values of all the types that built-in operators fold. */
import { task } from '../../functions/task.ts';

export const square = task((n: number) => n * n);
export const text = task((n: number) => `${n};`);
export const list = task(async (n: number) => [n, n + 1]);
export const record = task((n: number) => ({ n }));
