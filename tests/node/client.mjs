// The official socket.io client in a whole conversation with our agent. Prints one JSON line an event, exits 0 at its end.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(process.env.SELAM_TEST_NODE_MODULES + "/");
const { io } = require("socket.io-client");

const [url, key, speech, transports] = process.argv.slice(2);
const pcm = readFileSync(speech);
const options = { query: { api_key: key, voice: "mekdes" }, reconnection: false };
if (transports !== "default") options.transports = [transports];
const socket = io(url + "/v1/audio/agent", options);
const told = (entry) => process.stdout.write(JSON.stringify(entry) + "\n");
const waiting = {};
socket.onAny((event, payload) => {
  told({ event, text: payload?.text, action: payload?.action, total: payload?.total_chunks, type: payload?.type });
  (waiting[event] ?? []).shift()?.(payload);
});
const once = (event) => new Promise((resolve) => (waiting[event] ??= []).push(resolve));
socket.on("connect_error", (error) => {
  told({ refused: error.message, data: error.data, said: error.context?.responseText });
  process.exit(3);
});
setTimeout(() => process.exit(4), 60000).unref();

const say = (audio) => {
  for (let at = 0; at < audio.length; at += 3200)
    socket.emit("audio_chunk", { audio: audio.subarray(at, at + 3200).toString("base64"), format: "pcm16", sample_rate: 16000 });
};
const control = async (action) => { const acknowledged = once("control_ack"); socket.emit("control", { action }); await acknowledged; };

await once("connected");
let next = once("session_started");
socket.emit("start_session", { voice: "mekdes", vad_threshold: 600, interrupt_threshold: 8 });
await next;
next = once("audio_end");
say(pcm); say(Buffer.alloc(32000));
await next;                                    // a whole turn
next = once("audio_chunk");
for (let times = 0; times < 4; times++) say(pcm);
say(Buffer.alloc(32000));
await next;
await control("interrupt");                    // a reply of four times that length, cut off
for (const action of ["pause", "resume", "stop_listening", "start_listening"]) await control(action);
next = once("session_ended");
socket.emit("end_session");
await next;
socket.disconnect();
process.exit(0);
