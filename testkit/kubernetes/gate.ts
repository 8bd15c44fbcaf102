// A TCP relay in front of an API server. It stands for a network that can be cut or fall silent.
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Gate {
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  #closed = false;

  private constructor(target: () => number) {
    this.#server = createServer((client) => {
      if (this.#closed) return void client.destroy();
      const upstream = connect(target(), "127.0.0.1");
      const pair: [Socket, Socket] = [client, upstream];
      this.#pairs.add(pair);
      const end = () => {
        client.destroy();
        upstream.destroy();
        this.#pairs.delete(pair);
      };
      for (const socket of pair) socket.on("error", end).on("close", end);
      client.pipe(upstream);
      upstream.pipe(client);
    });
  }

  static async open(target: () => number): Promise<Gate> {
    const gate = new Gate(target);
    await new Promise<void>((resolve) => gate.#server.listen(0, "127.0.0.1", resolve));
    return gate;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks all connections and closes new ones at once. */
  cut(): void {
    this.#closed = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  join(): void {
    this.#closed = false;
  }

  /** Silences the current connections, which stay open. New connections work. */
  hush(): void {
    for (const [client, upstream] of this.#pairs) {
      client.unpipe(upstream);
      upstream.unpipe(client);
      client.resume();
      upstream.resume();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
