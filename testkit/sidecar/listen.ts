// HTTP servers for tests. A server listens on 127.0.0.1, and closes its connections when the test closes the server.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface Listening {
  url: string;
  address: string;
  close(): Promise<void>;
}

export async function listen(server: Server, port = 0): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${address}`,
    address,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export const text =
  (body: string | Buffer): Handler =>
  (_request, response) =>
    response.end(body);
