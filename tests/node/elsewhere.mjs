// An official socket.io server that knows nothing of the protocol's namespace. Prints its port.
import { createServer } from "node:http";
import { createRequire } from "node:module";
const require = createRequire(process.env.SELAM_TEST_NODE_MODULES + "/");
const { Server } = require("socket.io");

const http = createServer();
new Server(http, { transports: ["websocket"] });
http.listen(0, "127.0.0.1", () => process.stdout.write(JSON.stringify({ port: http.address().port }) + "\n"));
process.stdin.on("end", () => process.exit(0)).resume();
