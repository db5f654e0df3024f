// The official socket.io client, sending what no client should. Prints one JSON line a payload; exits 0 at its end.
import { createRequire } from "node:module";
const require = createRequire(process.env.SELAM_TEST_NODE_MODULES + "/");
const { io } = require("socket.io-client");

const [url, key, transports] = process.argv.slice(2);
const options = { query: { api_key: key, voice: "mekdes" }, reconnection: false };
if (transports !== "default") options.transports = [transports];
const socket = io(url + "/v1/audio/agent", options);
const told = (entry) => process.stdout.write(JSON.stringify(entry) + "\n");
const next = (event) => new Promise((resolve) => socket.once(event, resolve));
socket.on("disconnect", (reason) => { told({ disconnected: reason }); process.exit(3); });
setTimeout(() => process.exit(4), 60000).unref();

const sound = Buffer.alloc(3200, 1).toString("base64");
const chunk = (fields) => ["audio_chunk", { audio: sound, format: "pcm16", sample_rate: 16000, ...fields }];
const rough = {
  "null": ["audio_chunk", null],
  "nothing": ["audio_chunk"],
  "a number": ["audio_chunk", 7],
  "a list": ["audio_chunk", [sound]],
  "audio null": chunk({ audio: null }),
  "audio a number": chunk({ audio: 7 }),
  "wrong base64": chunk({ audio: "not base64!" }),
  "half a sample": chunk({ audio: "AQID" }),
  "wrong format": chunk({ format: "mp3" }),
  "wrong sample rate": chunk({ sample_rate: 44100 }),
  "2 MB": chunk({ audio: Buffer.alloc(1_500_000, 1).toString("base64") }),
  "control null": ["control", null],
  "control a number": ["control", { action: 5 }],
  "an unknown action": ["control", { action: "dance" }],
};

await next("connected");
for (const [name, payload] of Object.entries({ "start null": null, "start without a voice": {}, "start a number": 7 })) {
  const error = next("error");
  socket.emit("start_session", payload);
  told({ name, ...(await error) });
}
const started = next("session_started");
socket.emit("start_session", { voice: "mekdes" });
await started;
for (const [name, arguments_] of Object.entries(rough)) {
  const error = next("error");
  socket.emit(...arguments_);
  told({ name, ...(await error) });
}
const acknowledged = next("control_ack");
socket.emit("control", { action: "interrupt" });
told({ name: "the session goes on", ...(await acknowledged) });
process.exit(0);
