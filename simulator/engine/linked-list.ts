// The list type of the engine's queues: an item is removed from the middle without a search.
export interface Linked<T> {
  prev: T | null;
  next: T | null;
}

/** A doubly linked list whose items have the links as fields. push, unshift and remove take constant time. */
export class LinkedList<T extends Linked<T>> {
  head: T | null = null;
  private tail: T | null = null;
  size = 0;

  push(item: T): void {
    item.prev = this.tail;
    item.next = null;
    if (this.tail === null) this.head = item;
    else this.tail.next = item;
    this.tail = item;
    this.size++;
  }

  unshift(item: T): void {
    item.prev = null;
    item.next = this.head;
    if (this.head === null) this.tail = item;
    else this.head.prev = item;
    this.head = item;
    this.size++;
  }

  remove(item: T): void {
    if (item.prev === null) this.head = item.next;
    else item.prev.next = item.next;
    if (item.next === null) this.tail = item.prev;
    else item.next.prev = item.prev;
    item.prev = null;
    item.next = null;
    this.size--;
  }
}
