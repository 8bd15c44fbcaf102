// Finds models by name.
import { compareBytes } from "../base/bytes";
import { NONE, SnapshotView } from "../snapshot/view";

/** Index of the model with this name, by binary search; NONE if the snapshot has no such model. */
export function findModel(view: SnapshotView, name: usize, length: u32): u32 {
  let low: u32 = 0;
  let high = view.modelCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    const order = compareBytes(view.modelName(middle), view.modelNameLength(middle), name, length);
    if (order == 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return NONE;
}
