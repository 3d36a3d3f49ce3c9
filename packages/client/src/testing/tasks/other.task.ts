/** A reducer that stands alone in its file, away from the tasks that it folds. */
import { reducer } from '../../functions/reducer.ts';

export default reducer((left: readonly number[], right: readonly number[]) => [...left, ...right]);
