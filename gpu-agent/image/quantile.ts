/**
 * The value that `share` (0..1) of the values lie below, by Hoare's selection (C. A. R. Hoare, "Algorithm 65: Find",
 * CACM 4:7, 1961): what sorting would put at that place, in linear time. There must be values, none of them NaN; they
 * are left as they are.
 */
export function quantile(values: Float32Array, share: number): number {
  const sought = Math.min(values.length - 1, Math.floor(share * values.length));
  const kept = values.slice();
  let low = 0;
  let high = kept.length - 1;
  while (low < high) {
    const pivot = kept[(low + high) >> 1]!;
    let left = low;
    let right = high;
    while (left <= right) {
      while (kept[left]! < pivot) left += 1;
      while (kept[right]! > pivot) right -= 1;
      if (left > right) break;
      const swapped = kept[left]!;
      kept[left] = kept[right]!;
      kept[right] = swapped;
      left += 1;
      right -= 1;
    }
    // What lies between the two is equal to the pivot.
    if (sought <= right) high = right;
    else if (sought >= left) low = left;
    else break;
  }
  return kept[sought]!;
}
