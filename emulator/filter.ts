// A filter's context on one stream. The context has a half for each direction.
import type { Direction, FilterContext, StreamContext } from "./contexts.ts";
import { Half, type HalfOwner } from "./half.ts";
import type { Root } from "./root.ts";
import type { Sink } from "./wire.ts";

/** The stream, with the members that its filters use. */
export interface FilterStream extends StreamContext {
  readonly bufferLimit: number;
  isClosed(direction: Direction): boolean;
  bufferOverflow(direction: Direction): void;
}

export class Filter implements FilterContext, HalfOwner {
  readonly kind = "filter";
  readonly root: Root;
  readonly stream: FilterStream;
  readonly request: Half;
  readonly response: Half;
  id = 0;
  created = false;

  /**
   * `next` returns what comes after this filter in a direction. It is called each time that headers, bytes or trailers go on.
   */
  constructor(root: Root, stream: FilterStream, next: Record<Direction, () => Sink>) {
    this.root = root;
    this.stream = stream;
    this.request = new Half(this, "request", next.request);
    this.response = new Half(this, "response", next.response);
  }

  get allowOnHeadersStopIteration(): boolean {
    return this.root.allowOnHeadersStopIteration;
  }

  get bufferLimit(): number {
    return this.stream.bufferLimit;
  }

  /** The request's headers create the context. A response skips a filter that never saw the request's headers. */
  ready(direction: Direction): boolean {
    if (!this.created && direction === "request") this.create();
    return this.created;
  }

  create(): void {
    this.created = true;
    this.id = this.root.vm.register(this);
    this.root.vm.call(this, "proxy_on_context_create", [this.id, this.root.id]);
  }

  call(name: string, args: number[] = []): number | undefined {
    return this.root.vm.call(this, name, [this.id, ...args]);
  }

  closed(direction: Direction): boolean {
    return this.stream.isClosed(direction);
  }

  bufferOverflow(direction: Direction): void {
    this.stream.bufferOverflow(direction);
  }

  refuse(sentence: string): void {
    this.root.vm.refuse(0, sentence);
  }
}
