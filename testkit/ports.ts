// Free ports for programs that cannot bind port 0, or that restart on the same port. They are below the ports that systems give
// to outgoing connections and for port 0. Each process binds the UDP port of the same number until it ends, so two test
// processes never get the same port.
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

const FIRST = 20_000;
const LAST = 32_000;

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if ((await reserve(port)) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

/** The ports of an Envoy that a test restarts. */
export async function envoyPorts(): Promise<{ port: number; adminPort: number }> {
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  return { port, adminPort };
}

function reserve(port: number): Promise<boolean> {
  const socket = createSocket("udp4");
  return new Promise((done) => {
    socket.once("error", () => {
      socket.close();
      done(false);
    });
    socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => {
      socket.unref();
      done(true);
    });
  });
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((done) => {
    server.once("error", () => done(false));
    server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
  });
}
