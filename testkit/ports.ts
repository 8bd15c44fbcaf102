// Ports for programs that cannot be given port 0, or that are ended and started again on the same one. They lie below those
// that systems give to outgoing connections and for port 0; and two processes of tests are not given the same one: each keeps
// the UDP port of the same number, which nobody else has a use for, until it ends.
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

/** For an Envoy that is started again. */
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
