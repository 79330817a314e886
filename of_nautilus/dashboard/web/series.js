// Bars or points in the order of time, where a later word about one takes the place of the former.

export class Series {
  constructor(most = 3000) {
    this.items = [];
    this.most = most;
  }

  /** Put items in; returns the index from which anything changed. */
  put(items, whole) {
    if (whole) {
      this.items = [...items].sort((a, b) => a.time - b.time);
      return 0;
    }
    let from = this.items.length;
    for (const item of items) {
      const at = this.find(item.time);
      if (this.items[at]?.time === item.time) this.items[at] = item;
      else this.items.splice(at, 0, item);
      from = Math.min(from, at);
    }
    const over = this.items.length - this.most;
    if (over > 0) this.items.splice(0, over);
    return over > 0 ? 0 : from;
  }

  /** The index of the first item that is not before `time`. */
  find(time) {
    const { items } = this;
    if (!items.length || items.at(-1).time < time) return items.length;
    let low = 0,
      high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (items[middle].time < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
